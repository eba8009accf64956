"""A new message on its way into mailboxes: its file first, durable, then its row. Blocking; runs in threads."""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quantummail.message.description import Description, describe
from quantummail.store import files
from quantummail.store.additions import Addition, Rendered
from quantummail.store.durability import WrittenFile
from quantummail.store.errors import Unavailable
from quantummail.store.maildir import DISK_MASK, IN_NEW, file_name, path_of, sync_directory

if TYPE_CHECKING:
    from quantummail.store.files import Arrivals
    from quantummail.store.spooled import SpooledBody
    from quantummail.store.webhook_records import NewEvent

_SMALL = 1 << 20


@dataclass(frozen=True, slots=True)
class Target:
    """A mailbox that is to get a message."""

    account_id: int
    mailbox_id: int
    directory: str
    room: int | None = None
    """Octets that the account's quota leaves, None for any number. A hint: the delivery itself decides."""


@dataclass(frozen=True, slots=True)
class NewMessage:
    """What is to be stored, and how."""

    id: str
    """Unique among all messages ever stored: becomes part of the file's name, and the EMAILID."""
    heading: bytes
    """Octets to put before those of the body."""
    flags: int = 0
    """System flags."""
    keywords: tuple[str, ...] = ()
    internal_date: int | None = None
    """Seconds since the epoch; None for now."""
    body_start: int = 0
    """Where in the body to begin: what is before has been rewritten into `heading`, or is another message."""
    body_end: int | None = None
    """Where it ends; None for the end of the body."""
    news: Mapping[int, tuple[NewEvent, ...]] = field(default_factory=dict)
    """What webhooks are to be told of it, by account."""

    def size(self, body: SpooledBody) -> int:
        """Octets, of which these are from the body."""
        return len(self.heading) + (body.size if self.body_end is None else self.body_end) - self.body_start


def rendered_of(description: Description) -> Rendered:
    """The columns of `contents`."""
    return Rendered(
        description.envelope, description.body, description.bodystructure, description.parts,
        description.base_subject, description.sent, description.thread_ids,
    )


def store_files(
    root: str, arrivals: Arrivals, targets: Sequence[Target], message: NewMessage, body: SpooledBody
) -> tuple[list[Addition], WrittenFile | None]:
    """Put the message into every target's Maildir: one file, and hard links for further targets.

    A single file is yet to be made durable, and comes back for that; several are durable already. Raises
    `Unavailable` when the disk does not take the message; nothing is left behind then.
    """
    now = int(time.time())
    date = now if message.internal_date is None else message.internal_date
    size = message.size(body)
    # a file without flags waits in new/, as Maildir wants it
    on_disk = message.flags & DISK_MASK or IN_NEW
    names = [file_name(now, f"Q{message.id}R{number}", size) for number in range(len(targets))]
    paths = [(target.directory, path_of(name, on_disk)) for target, name in zip(targets, names, strict=True)]
    arriving = [(target.directory, name) for target, name in zip(targets, names, strict=True)]
    arrivals.expect(arriving)
    try:
        with body.octets() as octets:
            description, written = write_message(root, paths, message, octets)
        rendered = rendered_of(description)
    except BaseException as error:
        files.remove(root, paths)
        arrivals.settled(arriving)
        if isinstance(error, OSError):
            raise Unavailable(f"the disk does not take the message: {error.strerror}") from error
        raise
    additions = [
        Addition(
            target.account_id, target.mailbox_id, name, on_disk, size, message.id, date,
            message.flags, message.keywords, rendered=rendered, news=message.news.get(target.account_id, ()),
        )
        for target, name in zip(targets, names, strict=True)
    ]
    return additions, written


def write_message(
    root: str, paths: Sequence[tuple[str, str]], message: NewMessage, octets: bytes | mmap.mmap
) -> tuple[Description, WrittenFile | None]:
    """Write a message of those octets under every path (directory, path): its description, and the file to sync."""
    directory, path = paths[0]
    end = len(octets) if message.body_end is None else message.body_end
    if end - message.body_start <= _SMALL:
        whole = message.heading + octets[message.body_start : end]
        written = files.put(root, directory, path, [whole], message.internal_date)
        description = describe(whole)
    else:
        with memoryview(octets) as view, view[message.body_start : end] as rest:
            written = files.put(root, directory, path, [message.heading, rest], message.internal_date)
        with (
            open(os.path.join(root, directory, path), "rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        ):
            description = describe(mapped)
    if len(paths) == 1:
        return description, written
    try:
        os.fsync(written.descriptor)
    finally:
        written.close()
    for other_directory, other_path in paths[1:]:
        files.link(root, written.path, other_directory, other_path)
    for each_directory, each_path in paths:
        sync_directory(os.path.dirname(os.path.join(root, each_directory, each_path)))
    return description, None
