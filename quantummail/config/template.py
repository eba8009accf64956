"""A configuration file with everything in it: what is set, and what could be, with its meaning and default."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from quantummail.config.sections import SECTIONS, ListenerSection, keys

_PORTS = {
    "smtp": 25, "submission": 587, "submissions": 465, "lmtp": 24, "imap": 143, "imaps": 993, "pop3": 110,
    "pop3s": 995,
}
_LOCAL_PORTS = {
    "smtp": 2525, "submission": 2587, "submissions": 2465, "lmtp": 2424, "imap": 2143, "imaps": 2993,
    "pop3": 2110, "pop3s": 2995,
}


def production_listeners() -> dict[str, str]:
    """`listen` of each listener for a server that the Internet writes to; LMTP is for this machine alone."""
    everywhere = {name: f"0.0.0.0:{port}, [::]:{port}" for name, port in _PORTS.items()}
    return {**everywhere, "lmtp": "127.0.0.1:24"}


def local_listeners() -> dict[str, str]:
    """`listen` of each listener for trying things: on this machine alone, with ports that need no rights."""
    return {name: f"127.0.0.1:{port}" for name, port in _LOCAL_PORTS.items()}


def example(settings: Mapping[tuple[str, str], str], listeners: Mapping[str, str]) -> str:
    """The text of a file. `settings`: values by section and key; everything else is there as a comment."""
    lines = [
        "# The configuration of QuantumMail. A setting that is commented out has the value shown.",
        "# QUANTUMMAIL_<SECTION>_<KEY> in the environment overrides a setting.",
        "# `quantummail check-config` tells what is wrong with this file.",
    ]
    described: set[tuple[str, str, str]] = set()
    for section, declared in SECTIONS.items():
        title = (declared.__doc__ or "").splitlines()[0]
        lines += ["", *_comment(title), f"[{section}]"]
        for name, key in keys(section).items():
            value = listeners.get(section) if name == "listen" else settings.get((section, name))
            # What several sections have is explained once
            if (name, key.meaning, key.default) not in described:
                described.add((name, key.meaning, key.default))
                lines += _comment(key.meaning)
            elif value is None and issubclass(declared, ListenerSection):
                continue
            lines.append(f"#{name} = {key.default}".rstrip() if value is None else f"{name} = {value}".rstrip())
    return "\n".join(lines) + "\n"


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, 98, initial_indent="# ", subsequent_indent="# ")
