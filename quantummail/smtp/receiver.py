"""What stands behind an SMTP session and decides: the protocol code asks, a receiver says yes or no."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quantummail.message.envelope import Client, Envelope, Recipient, Sender
    from quantummail.smtp.login import Exchange
    from quantummail.smtp.reply import Reply


class Content(Protocol):
    """Where the octets of one message go while they come in (unstuffed, CRLF lines, without the final dot)."""

    size: int

    async def write(self, data: bytes) -> None:
        """Append; raises OSError when there is no room."""

    def discard(self) -> None:
        """The message is not wanted any more, or has been dealt with: free what it holds. May be called twice."""


class Receiver(Protocol):
    """Serves one connection. A new transaction begins with `mail`; every refusal is a `Reply` with 4yz or 5yz.

    Unexpected exceptions are the session's to answer (451): a receiver lets them through. After a 421 the
    connection is closed.
    """

    async def mail(self, client: Client, sender: Sender) -> Reply:
        """MAIL FROM: may this sender begin?"""

    async def rcpt(self, client: Client, sender: Sender, recipient: Recipient) -> Reply:
        """RCPT TO: is this recipient ours, and may the client write to it?"""

    async def vrfy(self, client: Client, argument: str) -> Reply:
        """VRFY (RFC 5321 3.5.1)."""

    def content(self) -> Content:
        """A place for the message of the transaction, made when its first octets are awaited.

        OSError: there is none, the client gets 452. The session discards what this gives: once, after
        `message` or when the message does not come.
        """

    async def message(self, envelope: Envelope, content: Content) -> Sequence[Reply]:
        """The whole message is there. One reply; from an LMTP receiver one for each recipient, in their order.

        A positive reply is a promise: the message is on stable storage.
        """

    def over(self, transaction: str, client: Client, reply: Reply | None) -> None:
        """A transaction that had begun with `mail` has ended, with `message` or without.

        :param reply: the refusal that ended it, if it was the session's own: too big, bare line ends, our mistake.
        """

    def mechanisms(self, tls: object, disabled: frozenset[str]) -> Sequence[str]:
        """The SASL mechanisms that can work now, best first; none where nobody logs in.

        :param tls: OpenSSL's connection, None without TLS.
        :param disabled: what is switched off, mechanisms as ``AUTH=PLAIN``.
        """

    def exchange(
        self, mechanism: str, client: Client, tls: object, disabled: frozenset[str], end: Callable[[], None],
    ) -> Exchange:
        """Begin one of the `mechanisms`.

        `end` is called if the account may not be used any more, from the end of the exchange until `logged_out`.
        """

    def logged_out(self) -> None:
        """The connection is gone, or begins anew under TLS: whoever was logged in is so no more."""
