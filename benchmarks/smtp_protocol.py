"""What the SMTP protocol costs: CPU of one message on a transport in memory, with a receiver that answers at once.

    python benchmarks/smtp_protocol.py [--messages N] [--size OCTETS] [--mode mx|lmtp] [--chunk OCTETS] [--profile]

The client pipelines MAIL, RCPT and DATA, waits for 354, and sends the message.
"""

# ruff: noqa: ARG002  # a Receiver has these arguments, this one needs none of them

from __future__ import annotations

import argparse
import cProfile
import pstats
import statistics
import time
from typing import TYPE_CHECKING, Literal, cast

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from quantummail.smtp.reply import Reply
from quantummail.smtp.server import SMTPFactory, SmtpSettings
from quantummail.wire.admission import ConnectionLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quantummail.message.envelope import Client, Envelope, Recipient, Sender
    from quantummail.smtp.login import Exchange
    from quantummail.smtp.receiver import Content

_OK = Reply(250, "2.1.0", "OK")


class Nowhere:
    """Counts octets."""

    def __init__(self) -> None:
        self.size = 0

    async def write(self, data: bytes) -> None:
        self.size += len(data)

    def discard(self) -> None:
        self.size = 0


class Agreeable:
    """Takes everything."""

    async def mail(self, client: Client, sender: Sender) -> Reply:
        return _OK

    async def rcpt(self, client: Client, sender: Sender, recipient: Recipient) -> Reply:
        return _OK

    async def vrfy(self, client: Client, argument: str) -> Reply:
        return _OK

    def content(self) -> Content:
        return Nowhere()

    async def message(self, envelope: Envelope, content: Content) -> Sequence[Reply]:
        return [Reply(250, "2.0.0", f"Taken as {envelope.id}")]

    def mechanisms(self, tls: object, disabled: frozenset[str]) -> Sequence[str]:
        return ()

    def exchange(
        self, mechanism: str, client: Client, tls: object, disabled: frozenset[str], end: Callable[[], None],
    ) -> Exchange:
        raise NotImplementedError

    def over(self, transaction: str, client: Client, reply: Reply | None) -> None:
        """Nothing is kept."""

    def logged_out(self) -> None:
        """Nobody was logged in."""


def rounds(mode: Literal["mx", "lmtp"], messages: int, size: int, chunk: int) -> list[float]:
    """Microseconds a message, from five runs."""
    settings = SmtpSettings("mx.example.test", mode, max_messages=0)
    factory = SMTPFactory("benchmark", Clock(), ConnectionLimits(), settings, Agreeable, None)
    connection = factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", 40000))
    transport = StringTransport(peerAddress=IPv4Address("TCP", "192.0.2.1", 40000))
    connection.makeConnection(transport)
    connection.dataReceived(b"LHLO client.example\r\n" if mode == "lmtp" else b"EHLO client.example\r\n")
    envelope = b"MAIL FROM:<sender@example.org> SIZE=%d\r\nRCPT TO:<user@example.test>\r\nDATA\r\n" % size
    line = b"x" * 70 + b"\r\n"
    body = b"Subject: a message\r\n\r\n" + line * (size // len(line)) + b".\r\n"
    pieces = [body[at:at + chunk] for at in range(0, len(body), chunk)]
    figures = []
    for _ in range(5):
        transport.clear()
        begun = time.process_time()
        for _ in range(messages):
            connection.dataReceived(envelope)
            for piece in pieces:
                connection.dataReceived(piece)
        figures.append((time.process_time() - begun) / messages * 1e6)
        taken = transport.value().count(b" Taken as ")
        if taken != messages:
            raise SystemExit(f"{taken} of {messages} messages were taken: {transport.value()[-200:]!r}")
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--size", type=int, default=10_000)
    parser.add_argument("--chunk", type=int, default=65536)
    parser.add_argument("--mode", choices=("mx", "lmtp"), default="mx")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    mode = cast("Literal['mx', 'lmtp']", options.mode)
    if options.profile:
        profile = cProfile.Profile()
        profile.runcall(rounds, mode, options.messages, options.size, options.chunk)
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
        return
    figures = rounds(mode, options.messages, options.size, options.chunk)
    print(f"{mode}, {options.size} octets: {min(figures):.1f} us a message (best of 5; "
          f"median {statistics.median(figures):.1f})")


if __name__ == "__main__":
    main()
