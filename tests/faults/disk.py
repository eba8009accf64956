"""File systems of their own, small or about to lose their power, for a server to live on. Only root can mount them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.faults.case import needs_root
from tests.support.programs import program

# <linux/ext4.h>; as after a power cut: what is not on the medium yet never will be
EXT4_IOC_SHUTDOWN = 0x8004587D
NOLOGFLUSH = 2


class MountError(Exception):
    """A file system cannot be made, mounted or unmounted."""


class Disk:
    """A file system in a temporary directory."""

    def __init__(self) -> None:
        needs_root("mount file systems")
        self._base = Path(tempfile.mkdtemp(prefix="quantummail-disk-"))
        self.root = self._base / "mounted"
        self.root.mkdir()

    def mount(self) -> None:
        """Make it visible at `root`."""
        raise NotImplementedError

    def unmount(self) -> None:
        """Take it away."""
        _run("umount", self.root)

    def directory(self) -> Path:
        """A directory on it, for a server."""
        directory = self.root / "server"
        directory.mkdir(exist_ok=True)
        return directory

    @property
    def log(self) -> Path:
        """Where a log can go that is to survive."""
        return self._base / "server.log"

    def __enter__(self) -> Self:
        try:
            self.mount()
        except BaseException as error:
            shutil.rmtree(self._base, ignore_errors=True)
            if isinstance(error, MountError):
                # the root of a container may not mount
                raise unittest.SkipTest(str(error)) from error
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        subprocess.run(["umount", "-l", str(self.root)], check=False, capture_output=True)
        shutil.rmtree(self._base, ignore_errors=True)


class SmallDisk(Disk):
    """A tmpfs of so many octets and inodes, which `fill` leaves without any."""

    def __init__(self, size: int, inodes: int = 10_000) -> None:
        super().__init__()
        self._options = f"size={size},nr_inodes={inodes}"
        self._ballast = self.root / "ballast"

    def mount(self) -> None:
        """Mount it."""
        _run("mount", "-t", "tmpfs", "-o", self._options, "tmpfs", self.root)

    def fill(self, leave: int = 0) -> None:
        """Use up all space but so many octets. What is given back to the disk from then on is the server's."""
        with self._ballast.open("ab") as file:
            while (size := self._free() - leave) > 0:
                # the server may have taken some of it meanwhile
                with contextlib.suppress(OSError):
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, size)
                    return

    def _free(self) -> int:
        disk = os.statvfs(self.root)
        return disk.f_bavail * disk.f_frsize

    def use_inodes(self, leave: int = 0) -> None:
        """Use up all inodes but so many."""
        hoard = self.root / "hoard"
        hoard.mkdir(exist_ok=True)
        for number in range(os.statvfs(self.root).f_favail - leave):
            (hoard / f"{number}").touch()

    def make_room(self) -> None:
        """Undo `fill` and `use_inodes`."""
        self._ballast.unlink(missing_ok=True)
        shutil.rmtree(self.root / "hoard", ignore_errors=True)


class FailingDisk(Disk):
    """An ext4 on a loop device, whose power can be cut."""

    def __init__(self, size: int = 256 << 20) -> None:
        super().__init__()
        self._image = self._base / "image"
        with self._image.open("wb") as file:
            file.truncate(size)

    def mount(self) -> None:
        """Make the file system, or let it recover, and mount it."""
        if self._image.stat().st_blocks == 0:
            _run("mkfs.ext4", "-q", "-F", self._image)
        _run("mount", "-o", "loop", self._image, self.root)

    def settle(self) -> None:
        """Everything so far is on the medium."""
        _run("sync", "-f", self.root)

    def cut_power(self) -> None:
        """From now on nothing is written any more, and all that was not yet is lost."""
        descriptor = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, struct.pack("I", NOLOGFLUSH))
        except OSError as error:
            raise unittest.SkipTest(f"this kernel cannot cut the power of an ext4: {error}") from error
        finally:
            os.close(descriptor)


def _run(name: str, *arguments: str | Path) -> None:
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") or program(name)
    done = subprocess.run([path, *map(str, arguments)], check=False, capture_output=True, text=True)
    if done.returncode:
        raise MountError(f"{name} {' '.join(map(str, arguments))}: {done.stderr.strip()}")
