"""Recipients of one transaction: each is looked up once, its answer given, its targets remembered for the message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.delivery.local import Outcome
from quantummail.smtp.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantummail.message.envelope import Envelope, Recipient, Sender
    from quantummail.store.directory import Directory, Resolution
    from quantummail.store.storing import Target

ACCEPTED = Reply(250, "2.1.5", "Recipient ok")
NOT_OURS = Reply(550, "5.7.1", "We do not relay to this domain")
UNKNOWN = Reply(550, "5.1.1", "No such user here")
DISABLED = Reply(550, "5.2.1", "This mailbox is disabled")
# RFC 5321 4.5.1: mail to a postmaster is never refused for good. When somebody looks after the server again, it comes
NOBODY = Reply(450, "4.3.0", "Nobody looks after this server now, please try again later")
FULL = Reply(452, "4.2.2", "This mailbox is full")
# Until mail can be sent on: better no than a copy that silently never leaves
FORWARDS = Reply(550, "5.7.1", "This address forwards to another server, which is not possible yet")


class Recipients:
    """What the recipients of the transactions of one connection resolve to."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._targets: dict[Recipient, dict[str, Target]] = {}

    def begin(self) -> None:
        """A new transaction."""
        self._targets.clear()

    async def resolve(self, recipient: Recipient) -> Resolution:
        """Where mail to a recipient goes."""
        return await self._directory.resolve(recipient.address.local_part, recipient.address.domain)

    def accept(self, sender: Sender, recipient: Recipient, found: Resolution) -> Reply:
        """The answer to RCPT for a recipient of our own domains."""
        if found.postmaster and not found.local:
            return NOBODY
        if not found.known:
            return DISABLED if found.disabled else UNKNOWN
        # RFC 5321 4.5.1 again: of a postmaster's targets, those that can be reached have to do
        if found.remote and not found.postmaster:
            return FORWARDS
        if any(target.room is not None and target.room <= sender.size for target in found.local.values()):
            return FULL
        self._targets[recipient] = found.local
        return ACCEPTED

    def targets(self, envelope: Envelope) -> dict[str, Target]:
        """All accounts that get the message, each once."""
        union: dict[str, Target] = {}
        for recipient in envelope.recipients:
            union.update(self._targets.get(recipient, {}))
        return union

    def replies(self, envelope: Envelope, outcomes: Sequence[Outcome]) -> list[Reply]:
        """An answer for each recipient (LMTP): good when the message is in all mailboxes that it leads to."""
        by_account = {outcome.account: outcome for outcome in outcomes}
        return [
            reply_for(envelope.id, [by_account[account] for account in self._targets.get(recipient, {})])
            for recipient in envelope.recipients
        ]


def reply_for(message_id: str, outcomes: Sequence[Outcome]) -> Reply:
    """One answer for several outcomes: good only if all are. What failed is to be tried again."""
    failed = [outcome for outcome in outcomes if not outcome.good]
    if not failed and outcomes:
        return Reply(250, "2.0.0", f"Ok: delivered as {message_id}")
    if failed and all(outcome.full for outcome in failed):
        return Reply(452, "4.2.2", f"{failed[0].reason[:1].upper()}{failed[0].reason[1:]} ({message_id})")
    reason = failed[0].reason if failed else "no recipient"
    return Reply(451, "4.3.0", f"Please try again later: {reason} ({message_id})")
