"""The Maildir++ tree: where an account's mailboxes are, and what their files are called.

``<mail root>/<domain>/<local part>/`` is INBOX; ``.Sent`` or ``.Lists.Python`` below it are further mailboxes, their
names in modified UTF-7 with the dot encoded too. Files are ``<seconds>.<unique>.<host>,S=<octets>``, in ``cur/`` with
``:2,`` and the letters of their flags behind (https://cr.yp.to/proto/maildir.html), those of their keywords last (see
store/letters.py).
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
from string import ascii_lowercase

from quantummail.message import mailbox_name, modified_utf7
from quantummail.store.errors import InvalidName
from quantummail.store.flags import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN

IN_NEW = -1
"""The value of `on_disk` for a file in new/. For others it has the system flags in its low bits."""
LETTER_SHIFT = 5
"""Where the letters of keywords begin in `on_disk`."""

# In the order of the alphabet, as Maildir wants them
_LETTERS = (("D", DRAFT), ("F", FLAGGED), ("R", ANSWERED), ("S", SEEN), ("T", DELETED))
_BITS = dict(_LETTERS) | {letter: 1 << LETTER_SHIFT + number for number, letter in enumerate(ascii_lowercase)}
_INFO = tuple(
    ":2," + "".join(letter for letter, bit in _LETTERS if mask & bit) for mask in range(1 << 5)
)
DISK_MASK = DRAFT | FLAGGED | ANSWERED | SEEN | DELETED
# store/storing.py: Q, the message's id, R, the number of the target
_NEW_MESSAGE = re.compile(r"[0-9]+\.Q[0-9a-z]{16}R[0-9]+\.[^,]+,S=([0-9]+)\Z")
# the same, and store/copying.py: C, an id of the copy
_OURS = re.compile(r"[0-9]+\.(?:Q[0-9a-z]{16}R[0-9]+|C[0-9a-z]{16})\.")
_UNSAFE = re.compile(r"[%/\x00-\x1f\x7f]|^\.")

HOST = socket.gethostname().split(".")[0].replace("/", "").replace(":", "") or "localhost"


def account_directory(address: str) -> str:
    """The account's INBOX, relative to the mail root. Characters that a file name cannot hold are ``%XX``."""
    local_part, _, domain = address.rpartition("@")
    return f"{_escape(domain)}/{_escape(local_part)}"


def _escape(text: str) -> str:
    return _UNSAFE.sub(lambda match: f"%{ord(match.group()):02X}", text)


def unescape(text: str) -> str:
    """The domain or local part that a directory was named after."""
    return re.sub(r"%([0-9A-F]{2})", lambda match: chr(int(match.group(1), 16)), text)


def check_name(name: str) -> str:
    """A mailbox name in its one true form (NFC, INBOX in capitals); `InvalidName` says what is wrong with it."""
    try:
        name = mailbox_name.normal(name)
    except ValueError as error:
        raise InvalidName(str(error)) from None
    if len(folder(name)) > 255:
        raise InvalidName("a mailbox name is too long")
    return name


def folder(name: str) -> str:
    """The directory of a mailbox below that of its account, empty for INBOX."""
    if name == "INBOX":
        return ""
    return "." + ".".join(modified_utf7.encode(level, also=".") for level in name.split("/"))


def name_of_folder(directory: str) -> str:
    """The mailbox whose directory this is. `InvalidName` if no mailbox can be called that."""
    if not directory:
        return "INBOX"
    try:
        return check_name("/".join(modified_utf7.decode(level) for level in directory[1:].split(".")))
    except ValueError as error:
        raise InvalidName(str(error)) from error


def path_of(file: str, on_disk: int) -> str:
    """Where a message's file is below its mailbox's directory."""
    if on_disk == IN_NEW:
        return f"new/{file}"
    if on_disk > DISK_MASK:
        letters = on_disk >> LETTER_SHIFT
        keywords = "".join([letter for number, letter in enumerate(ascii_lowercase) if letters >> number & 1])
        return f"cur/{file}{_INFO[on_disk & DISK_MASK]}{keywords}"
    return f"cur/{file}{_INFO[on_disk]}"


def split_info(file_name: str) -> tuple[str, int]:
    """A file name of cur/ as (name without flags, `on_disk`)."""
    name, _, info = file_name.partition(":2,")
    on_disk = 0
    for letter in info:
        on_disk |= _BITS.get(letter, 0)
    return name, on_disk


def file_name(seconds: int, unique: str, size: int | None) -> str:
    """The name of a new file. `size` is that of the file, None where it differs from the message's (LF line ends)."""
    return f"{seconds}.{unique}.{HOST}" if size is None else f"{seconds}.{unique}.{HOST},S={size}"


def promised_size(file: str) -> int | None:
    """The octets that a file must have whose name was made for a new message; None for all other names.

    Only such a file can be torn: further links, and files renamed by us, were whole before they got their names.
    """
    match = _NEW_MESSAGE.match(file)
    return int(match[1]) if match else None


def made_here(file: str) -> bool:
    """Whether a file has the name of a delivery or a copy of ours: where a server runs, its row may be on the way."""
    return _OURS.match(file) is not None


def make_maildir(path: str) -> None:
    """Create cur, new and tmp, durably. What is there stays, and costs nothing."""
    if all(os.path.isdir(os.path.join(path, part)) for part in ("tmp", "new", "cur")):
        return
    os.makedirs(path, mode=0o700, exist_ok=True)
    for part in ("tmp", "new", "cur"):
        os.makedirs(os.path.join(path, part), mode=0o700, exist_ok=True)
    parent = os.path.dirname(path)
    # the grandparent too: the first account of a domain creates the domain's directory
    for directory in (path, parent, os.path.dirname(parent)):
        sync_directory(directory)


def sync_directory(path: str) -> None:
    """Make the entries of a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: str, temporary: str, text: str) -> None:
    """Write a small file in place of the one that may be there, durably: a crash leaves the one or the other."""
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, text.encode("utf-8", "surrogateescape"))
        os.fsync(descriptor)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    finally:
        os.close(descriptor)
    os.rename(temporary, path)
    sync_directory(os.path.dirname(path))


def locate(directory: str, file: str) -> str | None:
    """Find a file whose flags another program changed: its path, or None if it is gone."""
    for part in ("cur", "new"):
        folder_path = os.path.join(directory, part)
        try:
            with os.scandir(folder_path) as entries:
                for entry in entries:
                    if entry.name.startswith(file) and entry.name.partition(":2,")[0] == file:
                        return entry.path
        except FileNotFoundError:
            continue
    return None
