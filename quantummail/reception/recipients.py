"""Recipients of one transaction: each is looked up once, its answer given, its targets remembered for the message."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from quantummail.delivery.local import Outcome
from quantummail.smtp.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quantummail.delivery.local_names import LocalNames
    from quantummail.message.address import Address
    from quantummail.message.envelope import Envelope, Recipient, Sender
    from quantummail.store.directory import Directory, Resolution
    from quantummail.store.storing import Target
    from quantummail.store.suppressions import Suppression

ACCEPTED = Reply(250, "2.1.5", "Recipient ok")
NOT_OURS = Reply(550, "5.7.1", "We do not relay to this domain")
UNKNOWN = Reply(550, "5.1.1", "No such user here")
DISABLED = Reply(550, "5.2.1", "This mailbox is disabled")
# RFC 5321 4.5.1: mail to a postmaster is never refused for good. When somebody looks after the server again, it comes
NOBODY = Reply(450, "4.3.0", "Nobody looks after this server now, please try again later")
FULL = Reply(452, "4.2.2", "This mailbox is full")
ONLY_BOUNCES = Reply(550, "5.7.1", "This address takes bounces of forwarded mail only")


class Recipients:
    """What the recipients of the transactions of one connection resolve to."""

    def __init__(self, directory: Directory | LocalNames) -> None:
        self._directory = directory
        self._targets: dict[Recipient, dict[str, Target]] = {}
        self.forwards: dict[Recipient, Sequence[str]] = {}
        """Addresses elsewhere that addresses of ours lead to."""
        self.bounces: dict[Recipient, Address] = {}
        """Whom bounces to addresses that we made for forwarded mail are for."""
        self.outside: list[Recipient] = []
        """Recipients that are not ours at all."""

    def begin(self) -> None:
        """A new transaction."""
        self._targets.clear()
        self.forwards.clear()
        self.bounces.clear()
        self.outside.clear()

    @property
    def elsewhere(self) -> bool:
        """Whether the message goes to others too."""
        return bool(self.forwards or self.bounces or self.outside)

    async def resolve(self, recipient: Recipient) -> Resolution:
        """Where mail to a recipient goes."""
        return await self._directory.resolve(recipient.address.local_part, recipient.address.domain)

    def accept(self, sender: Sender, recipient: Recipient, found: Resolution) -> Reply:
        """The answer to RCPT for a recipient of our own domains."""
        if found.postmaster and not found.local:
            return NOBODY
        if not found.known:
            return DISABLED if found.disabled else UNKNOWN
        if any(target.room is not None and target.room <= sender.size for target in found.local.values()):
            return FULL
        self._targets[recipient] = found.local
        if found.remote:
            self.forwards[recipient] = found.remote
        return ACCEPTED

    def accept_outside(self, recipient: Recipient) -> Reply:
        """The answer to RCPT for somebody elsewhere, from who may send there."""
        self.outside.append(recipient)
        return ACCEPTED

    def accept_bounce(self, sender: Sender, recipient: Recipient, original: Address) -> Reply:
        """The answer to RCPT for an address that we made for forwarded mail (message/srs.py)."""
        if sender.address is not None:
            return ONLY_BOUNCES
        self.bounces[recipient] = original
        return ACCEPTED

    def targets(self, envelope: Envelope) -> dict[str, Target]:
        """All accounts that get the message, each once."""
        union: dict[str, Target] = {}
        for recipient in envelope.recipients:
            union.update(self._targets.get(recipient, {}))
        return union

    def here(self, envelope: Envelope) -> list[Recipient]:
        """Recipients with a mailbox of ours."""
        return [one for one in envelope.recipients if self._targets.get(one)]

    def replies(
        self, envelope: Envelope, outcomes: Sequence[Outcome], others: Mapping[Recipient, Outcome]
    ) -> list[Reply]:
        """An answer for each recipient (LMTP): good when the message is wherever it leads to."""
        by_account = {outcome.account: outcome for outcome in outcomes}
        replies = []
        for recipient in envelope.recipients:
            found = [by_account[account] for account in self._targets.get(recipient, {})]
            if recipient in others:
                found.append(others[recipient])
            replies.append(reply_for(envelope.id, found))
        return replies


def suppressed_reply(found: Suppression) -> Reply:
    """The answer to RCPT for an address elsewhere that has bounced."""
    day = time.strftime("%Y-%m-%d", time.gmtime(found.since))
    return Reply(550, "5.1.1", f"{found.address} is suppressed since {day}: {found.reason}"[:400])


def reply_for(message_id: str, outcomes: Sequence[Outcome]) -> Reply:
    """One answer for several outcomes: good only if all are. What failed is to be tried again."""
    failed = [outcome for outcome in outcomes if not outcome.good]
    if not failed and outcomes:
        word = "queued" if all(outcome.queued for outcome in outcomes) else "delivered"
        return Reply(250, "2.0.0", f"Ok: {word} as {message_id}")
    if failed and all(outcome.full for outcome in failed):
        return Reply(452, "4.2.2", f"{failed[0].reason[:1].upper()}{failed[0].reason[1:]} ({message_id})")
    reason = failed[0].reason if failed else "no recipient"
    return Reply(451, "4.3.0", f"Please try again later: {reason} ({message_id})")
