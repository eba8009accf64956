"""Clients on bare sockets, that say exactly what a test wants said: half lines, hostile octets, nothing at all."""

from __future__ import annotations

import contextlib
import itertools
import re
import socket
import ssl
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

PATIENCE = 20.0
_CODE = re.compile(rb"([0-9]{3})([ -])")
_LITERAL = re.compile(rb"\{([0-9]+)\}\r\n\Z")


class Gone(ConnectionError):
    """The server has ended the connection."""


class Wire:
    """A connection, read by lines and octets. Errors of the socket are `Gone`."""

    def __init__(self, port: int, *, source: str = "127.0.0.1", patience: float = PATIENCE) -> None:
        """`source` is the client's address: everything in 127.0.0.0/8 is this machine."""
        self.socket: socket.socket = socket.create_connection(("127.0.0.1", port), patience, (source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = b""

    def send(self, octets: bytes) -> None:
        """Send all of it."""
        try:
            self.socket.sendall(octets)
        except OSError as error:
            raise Gone(str(error)) from error

    def more(self) -> bytes:
        """Whatever comes next, at least one octet."""
        try:
            octets = self.socket.recv(1 << 18)
        except TimeoutError:
            raise AssertionError(f"the server says nothing (so far: {self._read[-200:]!r})") from None
        except OSError as error:
            raise Gone(str(error)) from error
        if not octets:
            raise Gone(f"end of stream after {self._read[-200:]!r}")
        return octets

    def line(self) -> bytes:
        """The next line, with its end."""
        while (end := self._read.find(b"\n")) < 0:
            self._read += self.more()
        line, self._read = self._read[:end + 1], self._read[end + 1:]
        return line

    def octets(self, size: int) -> bytes:
        """Exactly so many octets."""
        pieces = [self._read]
        wanted = size - len(self._read)
        while wanted > 0:
            pieces.append(self.more())
            wanted -= len(pieces[-1])
        whole = b"".join(pieces)
        self._read = whole[size:]
        return whole[:size]

    def rest(self) -> bytes:
        """All that still comes until the server hangs up."""
        while True:
            try:
                self._read += self.more()
            except Gone:
                rest, self._read = self._read, b""
                return rest

    def silent(self, seconds: float) -> bool:
        """Whether nothing comes for so long. What TLS says for itself does not count."""
        patience = self.socket.gettimeout()
        self.socket.settimeout(seconds)
        try:
            self._read += self.socket.recv(1 << 16)
        except OSError:
            # a timeout, or the end
            pass
        finally:
            self.socket.settimeout(patience)
        return not self._read

    def start_tls(self) -> None:
        """Shake hands, whatever the certificate says."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            self.socket = context.wrap_socket(self.socket)
        except OSError as error:
            raise Gone(str(error)) from error

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError):
            self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Smtp(Wire):
    """An SMTP or LMTP client."""

    def reply(self) -> tuple[int, str]:
        """Code and text of the next reply."""
        text = []
        while True:
            line = self.line()
            found = _CODE.match(line)
            if found is None:
                raise AssertionError(f"not a reply: {line!r}")
            text.append(line[4:].strip().decode("utf-8", "replace"))
            if found[2] == b" ":
                return int(found[1]), "\n".join(text)

    def say(self, *commands: str | bytes) -> tuple[int, str]:
        """Send commands at once; the reply to the last one."""
        octets = [command.encode() if isinstance(command, str) else command for command in commands]
        self.send(b"".join(command + b"\r\n" for command in octets))
        return [self.reply() for _ in commands][-1]

    def hello(self, verb: str = "EHLO") -> str:
        """Read the greeting and greet; what the server offers."""
        self.reply()
        return self.say(f"{verb} client.example.net")[1]

    def begin(self, *recipients: str, sender: str = "friend@example.net") -> None:
        """MAIL, RCPT for each, DATA; fails unless all is accepted."""
        for command in (f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{address}>" for address in recipients)):
            code, text = self.say(command)
            if code != 250:
                raise AssertionError(f"{command}: {code} {text}")
        code, text = self.say("DATA")
        if code != 354:
            raise AssertionError(f"DATA: {code} {text}")

    def deliver(self, message: bytes, *recipients: str, sender: str = "friend@example.net") -> tuple[int, str]:
        """A whole message; the reply to its end. Lines of `message` do not begin with dots."""
        self.begin(*recipients, sender=sender)
        self.send(message + b".\r\n")
        return self.reply()


@dataclass(frozen=True, slots=True)
class Response:
    """What a command brought: how it ended, and what came before. Literals are in their lines, as they came."""

    status: str
    text: str
    untagged: list[bytes]

    @property
    def ok(self) -> bool:
        """Whether it was done."""
        return self.status == "OK"

    def numbers(self) -> list[int]:
        """The numbers of a SEARCH response."""
        return [int(word) for line in self.untagged if line.startswith(b"* SEARCH") for word in line.split()[2:]]


class Imap(Wire):
    """An IMAP client."""

    def __init__(self, port: int, *, source: str = "127.0.0.1", patience: float = PATIENCE) -> None:
        super().__init__(port, source=source, patience=patience)
        self._tags = itertools.count(1)
        self.greeting = self.line()

    def response(self) -> bytes:
        """One response line, with its literals."""
        whole = line = self.line()
        while found := _LITERAL.search(line):
            whole += self.octets(int(found[1]))
            line = self.line()
            whole += line
        return whole

    def finished(self, tag: str) -> Response:
        """Read until the command of this tag is answered."""
        untagged: list[bytes] = []
        start = tag.encode() + b" "
        while True:
            line = self.response()
            if line.startswith(start):
                status, _, text = line[len(start):].decode("utf-8", "replace").strip().partition(" ")
                return Response(status, text, untagged)
            untagged.append(line)

    def say(self, command: str | bytes) -> Response:
        """Run a command; literals in it are LITERAL+."""
        tag = f"t{next(self._tags)}"
        octets = command.encode() if isinstance(command, str) else command
        self.send(tag.encode() + b" " + octets + b"\r\n")
        return self.finished(tag)

    def must(self, command: str | bytes) -> Response:
        """Run a command that has to succeed."""
        response = self.say(command)
        if not response.ok:
            raise AssertionError(f"{command!r}: {response.status} {response.text}")
        return response

    def login(self, address: str, password: str) -> Self:
        """Log in."""
        self.must(f'LOGIN "{address}" "{password}"')
        return self

    def append(self, mailbox: str, message: bytes, flags: str = "") -> Response:
        """Store a message."""
        literal = f"{{{len(message)}+}}\r\n".encode()
        return self.say(f'APPEND "{mailbox}" ({flags}) '.encode() + literal + message)

    def bodies(self, uids: str = "1:*") -> dict[int, bytes]:
        """Messages of the selected mailbox, by UID."""
        found: dict[int, bytes] = {}
        for line in self.must(f"UID FETCH {uids} (UID BODY.PEEK[])").untagged:
            uid = re.search(rb"UID ([0-9]+)", line[:100])
            literal = re.search(rb"BODY\[\] \{([0-9]+)\}\r\n", line[:200])
            if uid is None or literal is None:
                continue
            found[int(uid[1])] = line[literal.end():literal.end() + int(literal[1])]
        return found


class Pop3(Wire):
    """A POP3 client."""

    def __init__(self, port: int, *, source: str = "127.0.0.1", patience: float = PATIENCE) -> None:
        super().__init__(port, source=source, patience=patience)
        self.greeting = self.line()

    def say(self, command: str | bytes) -> bytes:
        """Run a command; the status line."""
        octets = command.encode() if isinstance(command, str) else command
        self.send(octets + b"\r\n")
        return self.line()

    def must(self, command: str) -> bytes:
        """Run a command that has to succeed."""
        answer = self.say(command)
        if not answer.startswith(b"+OK"):
            raise AssertionError(f"{command}: {answer!r}")
        return answer

    def lines(self) -> list[bytes]:
        """The lines of a multi-line answer, up to the dot."""
        found = []
        while (line := self.line()) != b".\r\n":
            found.append(line)
        return found

    def login(self, address: str, password: str) -> Self:
        """Log in."""
        self.must(f"USER {address}")
        self.must(f"PASS {password}")
        return self


def eventually(question: object, patience: float = 10.0) -> None:
    """Ask a callable until it says yes; fail when that takes too long."""
    assert callable(question)
    deadline = time.monotonic() + patience
    while not (answer := question()):
        if time.monotonic() > deadline:
            raise AssertionError(f"still {answer!r} after {patience:g} s")
        time.sleep(0.02)
