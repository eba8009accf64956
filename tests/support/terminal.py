"""A program on a terminal of its own (tmux): keys go in, the screen is read."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Self

from tests.support.programs import program


class Terminal:
    """Runs a command in tmux, 100 columns by 30 lines, until the end of the `with` block.

    :param home: HOME and working directory of the command; the socket of tmux is there too.
    """

    def __init__(self, home: Path, *command: str) -> None:
        self._tmux = [program("tmux"), "-S", str(home / "tmux"), "-f", "/dev/null"]
        self._environ = {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}
        self._home = home
        self._command = [program(command[0]), *command[1:]]

    def __enter__(self) -> Self:
        self._run("new-session", "-d", "-x", "100", "-y", "30", *self._command)
        return self

    def __exit__(self, *exception: object) -> None:
        self._run("kill-server", check=False)

    def keys(self, *keys: str) -> None:
        """Press keys, in tmux's names for them (Enter, C-x); other text is typed as it is."""
        self._run("send-keys", *keys)

    @property
    def screen(self) -> str:
        """What is on the screen; empty when the program has ended."""
        return self._run("capture-pane", "-p", check=False)

    def wait_for(self, text: str, patience: float = 15.0) -> str:
        """Wait until a text is on the screen, and return the screen; AssertionError if it does not come."""
        deadline = time.monotonic() + patience
        while text not in (screen := self.screen):
            if time.monotonic() > deadline:
                raise AssertionError(f"{text!r} is not on the screen after {patience:g} s:\n{screen}")
            time.sleep(0.05)
        return screen

    def _run(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(
            [*self._tmux, *arguments], capture_output=True, cwd=self._home, env=self._environ, timeout=20, check=check)
        return done.stdout.decode("utf-8", "replace")
