"""How `sendmail` hands a message to the server: by its socket, or into its drop directory while it is down."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from quantummail import config as configuration
from quantummail.config import ConfigError
from quantummail.message.drop import Drop

EX_OK, EX_USAGE, EX_DATAERR, EX_NOUSER, EX_UNAVAILABLE, EX_TEMPFAIL, EX_CONFIG = 0, 64, 65, 67, 69, 75, 78
# Where to look for the server if the configuration is not for our eyes
USUAL_SOCKET = Path("/run/quantummail/local.sock")
USUAL_DROP_DIRECTORY = Path("/var/spool/quantummail/drop")
_CONNECT = 5.0
_ANSWER = 150.0
_LONGEST_ANSWER = 64 * 1024
_FILE_MODE = 0o640


@dataclass(frozen=True, slots=True)
class Places:
    """Where messages are handed in."""

    socket: Path | None = USUAL_SOCKET
    drop_directory: Path | None = USUAL_DROP_DIRECTORY


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a message."""

    code: int
    text: str


def places(path: Path) -> Places:
    """What the configuration says; the usual places where it cannot be read, as by users of the machine."""
    if not os.access(path, os.R_OK):
        return Places()
    try:
        local = configuration.load(path).local
    except ConfigError:
        # whoever mends it will see; mail is not lost meanwhile
        return Places()
    return Places(local.socket, local.drop_directory)


def new_key() -> str:
    """For `Drop.key`."""
    return secrets.token_hex(16)


def hand_in(where: Places, drop: Drop, octets: bytes) -> Answer:
    """Give a message to the server. With code 0 it is on stable storage."""
    answer = _by_socket(where.socket, drop, octets) if where.socket is not None else None
    if answer is not None and answer.code != EX_TEMPFAIL:
        return answer
    # the same message, should the server have taken it without saying so, is known by its key
    dropped = _into_directory(where.drop_directory, drop, octets)
    if dropped.code != EX_OK and answer is not None:
        return answer
    return dropped


def _by_socket(path: Path, drop: Drop, octets: bytes) -> Answer | None:
    """None if nobody answers there."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_CONNECT)
            connection.connect(str(path))
            connection.settimeout(_ANSWER)
            # who refuses early says why, and does not read the rest
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(drop.line())
                connection.sendall(octets)
            said = bytearray()
            while not said.endswith(b"\n") and len(said) < _LONGEST_ANSWER:
                piece = connection.recv(4096)
                if not piece:
                    return None
                said += piece
        words = json.loads(said)
        return Answer(int(words["code"]), str(words["text"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _into_directory(directory: Path | None, drop: Drop, octets: bytes) -> Answer:
    if directory is None:
        return Answer(EX_TEMPFAIL, "the mail server does not answer")
    name = f"{time.time_ns()}-{drop.key}"
    # nobody looks at a name that begins with a dot
    temporary, final = directory / f".{name}", directory / name
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            # the group is the directory's, and the server's: it reads the file, and who cannot list it does not
            os.fchown(descriptor, -1, os.stat(directory).st_gid)
            os.fchmod(descriptor, _FILE_MODE)
            for piece in (drop.line(), octets):
                _write(descriptor, piece)
            os.fsync(descriptor)
            os.rename(temporary, final)
            _make_name_durable(directory, descriptor)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        finally:
            os.close(descriptor)
    except OSError as error:
        return Answer(EX_TEMPFAIL, f"the mail server does not answer, and {directory} does not take the message: "
                                   f"{error.strerror}")
    return Answer(EX_OK, f"left in {directory} until the mail server is back")


def _write(descriptor: int, octets: bytes) -> None:
    view = memoryview(octets)
    while view:
        view = view[os.write(descriptor, view):]


def _make_name_durable(directory: Path, descriptor: int) -> None:
    try:
        opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:
        # who may write there need not be able to list it
        os.fsync(descriptor)
        os.sync()
        return
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
