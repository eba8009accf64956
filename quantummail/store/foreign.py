"""Files that other programs put into a Maildir: listed, read, described. Blocking; runs in threads."""

from __future__ import annotations

import contextlib
import mmap
import os
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from quantummail.message.description import describe
from quantummail.message.ids import new_id
from quantummail.store.additions import Rendered
from quantummail.store.line_ends import next_block, with_crlf
from quantummail.store.maildir import IN_NEW, file_name, promised_size, split_info
from quantummail.store.spooled import write_all
from quantummail.store.storing import rendered_of

_SMALL = 1 << 20
_BLOCK = 256 * 1024
# https://cr.yp.to/proto/maildir.html: files in tmp/ that have not been touched for 36 hours
_ABANDONED_AFTER = 36 * 3600


@dataclass(frozen=True, slots=True)
class ForeignFile:
    """An entry of new/ or cur/."""

    path: str
    """Below the Maildir."""
    name: str
    """Without the flags."""
    on_disk: int


@dataclass(frozen=True, slots=True)
class StrangeFile(ForeignFile):
    """One that the index does not know."""

    mtime: int
    ctime: float


@dataclass(frozen=True, slots=True)
class Foreign:
    """A foreign message as the index wants it."""

    name: str
    size: int
    email_id: str
    bare_lf: bool
    rendered: Rendered


class Torn(Exception):
    """The file was on its way in when the machine stopped: nobody was promised that it is kept."""


def list_maildir(path: str) -> dict[str, ForeignFile]:
    """All files of new/ and cur/ by their names without flags."""
    found: dict[str, ForeignFile] = {}
    # new first: what moves to cur meanwhile is then seen twice, not never
    for part in ("new", "cur"):
        with os.scandir(os.path.join(path, part)) as entries:
            for entry in entries:
                if entry.name.startswith(".") or not entry.is_file(follow_symlinks=False):
                    continue
                name, on_disk = split_info(entry.name)
                found[name] = ForeignFile(f"{part}/{entry.name}", name, IN_NEW if part == "new" else on_disk)
    return found


def dated(path: str, files: Sequence[ForeignFile]) -> list[StrangeFile]:
    """Files with their times, as far as they are still there."""
    found: list[StrangeFile] = []
    for file in files:
        with contextlib.suppress(FileNotFoundError):
            status = os.lstat(os.path.join(path, file.path))
            found.append(StrangeFile(file.path, file.name, file.on_disk, int(status.st_mtime), status.st_ctime))
    return found


def read_foreign(path: str, file: StrangeFile) -> Foreign:
    """Read and describe a file; `Torn` if it is not whole. Its name is changed if it cannot be kept in a table."""
    full = os.path.join(path, file.path)
    descriptor = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        with _text(descriptor, size, os.path.join(path, "tmp")) as (octets, bare_lf):
            _check_whole(octets, promised_size(file.name))
            rendered = rendered_of(describe(octets))
            length = len(octets)
    finally:
        os.close(descriptor)
    email_id = new_id()
    name = file.name
    if not name or not name.isprintable() or len(name.encode("utf-8", "surrogateescape")) > 200:
        name = file_name(file.mtime, f"F{email_id}", size)
        part, _, old = file.path.partition("/")
        os.rename(full, os.path.join(path, part, name + old.removeprefix(file.name)))
    return Foreign(name, length, email_id, bare_lf, rendered)


def _check_whole(octets: bytes | mmap.mmap, promised: int | None) -> None:
    if promised is None:
        return
    if len(octets) < promised:
        raise Torn(f"{len(octets)} of {promised} octets")
    # the size was written, the octets were not
    if octets and not octets[:4096].strip(b"\0"):
        raise Torn("nothing but NULs")


@contextlib.contextmanager
def _text(descriptor: int, size: int, scratch: str) -> Iterator[tuple[bytes | mmap.mmap, bool]]:
    """The message with CRLF line ends, and whether the file has others. A large one is not held in memory."""
    if size <= _SMALL:
        octets = os.pread(descriptor, size, 0)
        bare_lf = octets.count(b"\n") != octets.count(b"\r\n")
        yield with_crlf(octets) if bare_lf else octets, bare_lf
    elif not _has_bare_lf(descriptor):
        with mmap.mmap(descriptor, size, access=mmap.ACCESS_READ) as mapped:
            yield mapped, False
    else:
        with tempfile.TemporaryFile(dir=scratch, buffering=0) as converted:
            position, after_cr = 0, False
            while True:
                block, position, after_cr = next_block(descriptor, position, after_cr)
                if not block:
                    break
                write_all(converted.fileno(), block)
            with mmap.mmap(converted.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                yield mapped, True


def _has_bare_lf(descriptor: int) -> bool:
    position, last = 0, b""
    while block := os.pread(descriptor, _BLOCK, position):
        joined = last + block
        if joined.count(b"\n") - last.count(b"\n") != joined.count(b"\r\n"):
            return True
        position += len(block)
        last = block[-1:]
    return False


def put_aside(path: str, file: ForeignFile) -> None:
    """Move a torn file into tmp/, where it is looked at by nobody and stays for a while."""
    os.rename(os.path.join(path, file.path), os.path.join(path, "tmp", os.path.basename(file.path)))


def sweep(path: str) -> int:
    """Remove what has been left in tmp/; how many files."""
    count = 0
    oldest = time.time() - _ABANDONED_AFTER
    with os.scandir(os.path.join(path, "tmp")) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode) and max(status.st_ctime, status.st_mtime) < oldest:
                    os.unlink(entry.path)
                    count += 1
    return count
