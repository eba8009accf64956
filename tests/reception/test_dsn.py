"""What senders want to hear of their mail (RFC 3461): told, or handed on with the mail."""

from __future__ import annotations

from typing import Any

from quantummail.message.address import Address
from quantummail.message.dsn import Action, Notification, RecipientStatus, build
from quantummail.message.envelope import Envelope, Recipient, Sender
from quantummail.message.ids import new_id
from quantummail.smtp.reply import Reply
from quantummail.store.outgoing_records import Claimed
from tests.reception.test_receivers import STRANGER, ReceptionCase
from tests.store.messages import PLAIN, box, uids
from tests.support.stores import now

MESSAGE = b"Message-ID: <1@x>\r\n" + PLAIN
ALICE = Sender(Address("alice", "example.test"), ret="HDRS", envid="my envelope")
CAROL = Sender(Address("carol", "elsewhere.test"), ret="FULL", envid="hers")


def to(address: str, *notify: str, orcpt: str = "") -> Recipient:
    """A recipient with wishes."""
    return Recipient(Address.parse(address), frozenset(notify), orcpt)


class DsnCase(ReceptionCase):
    """Mail with wishes."""

    def take(self, receiver: Any, sender: Sender, *recipients: Recipient) -> list[Reply]:
        """A whole transaction."""
        now(receiver.mail(self.client, sender))
        for recipient in recipients:
            self.assertEqual(now(receiver.rcpt(self.client, sender, recipient)).code, 250)
        body = receiver.content()
        now(body.write(MESSAGE))
        replies = list(now(receiver.message(Envelope(new_id(), self.client, sender, recipients), body)))
        body.discard()
        return replies

    def report(self, destination: str) -> tuple[Claimed, bytes]:
        """The one report that goes somewhere."""
        (claimed,) = self.queued(destination)
        return claimed, self.octets(claimed)


class ReceiptTests(DsnCase):
    """NOTIFY=SUCCESS and a mailbox of ours."""

    def test_submission(self) -> None:
        """A user hears that it was delivered, of those recipients that he asked about, from the null reverse-path."""
        self.as_alice()
        self.take(self.submission, ALICE, to("bob@example.test", "SUCCESS", orcpt="rfc822;Bob@example.test"),
                  to("both@example.test", "FAILURE"))
        claimed, octets = self.report("local")
        self.assertEqual((claimed.message.sender, claimed.recipients[0].address), ("", "alice@example.test"))
        for part in (b"Original-Envelope-Id: my envelope\r\n", b"Action: delivered\r\nStatus: 2.1.5\r\n",
                     b"Final-Recipient: rfc822; bob@example.test\r\n", b"Message-ID: <1@x>\r\n",
                     b"Original-Recipient: rfc822; Bob@example.test\r\n", b"In-Reply-To: <1@x>\r\n"):
            self.assertIn(part, octets)
        self.assertNotIn(b"both@example.test", octets)
        self.assertNotIn(b"How are you", octets)

    def test_lmtp(self) -> None:
        """So does the sender of what a mail server of ours hands over, for recipients that have got it."""
        now(self.store.users.set_quota("bob@example.test", 10, 0))
        replies = self.take(self.lmtp, CAROL, to("alice@example.test", "SUCCESS"), to("bob@example.test", "SUCCESS"))
        self.assertEqual([reply.code for reply in replies], [250, 452])
        claimed, octets = self.report("elsewhere.test")
        self.assertEqual(claimed.recipients[0].address, "carol@elsewhere.test")
        self.assertNotIn(b"bob@example.test", octets)

    def test_strangers(self) -> None:
        """On port 25 nobody is told: the sender may be forged, and would get what he never asked for."""
        self.take(self.mx, CAROL, to("alice@example.test", "SUCCESS"))
        self.assertEqual(self.queued("elsewhere.test"), [])

    def test_null_sender(self) -> None:
        """There is nobody to tell (RFC 3461 6)."""
        self.take(self.lmtp, Sender(None), to("alice@example.test", "SUCCESS"))
        self.assertEqual(now(self.store.outgoing.totals())["due"], 0)


class ForwardedTests(DsnCase):
    """Wishes go along where an alias leads elsewhere (RFC 3461 5.2.7)."""

    def test_wishes(self) -> None:
        """NOTIFY, RET, ENVID and ORCPT are handed on."""
        self.take(self.mx, CAROL, to("away@example.test", "NEVER", orcpt="rfc822;list@else.test"))
        (claimed,) = self.queued("elsewhere.test")
        (one,) = claimed.recipients
        self.assertEqual((one.notify, one.orcpt), ({"NEVER"}, "rfc822;list@else.test"))
        self.assertEqual((claimed.message.ret, claimed.message.envid), ("FULL", "hers"))

    def test_original_recipient(self) -> None:
        """Without ORCPT it is the address that the sender knows."""
        self.take(self.mx, CAROL, to("away@example.test"))
        (claimed,) = self.queued("elsewhere.test")
        self.assertEqual(claimed.recipients[0].orcpt, "rfc822;away@example.test")

    def test_utf8(self) -> None:
        """An address with other letters has a type of its own (RFC 6533)."""
        now(self.store.aliases.add("\u00e9t\u00e9@example.test", ["x@elsewhere.test"]))
        self.take(self.mx, CAROL, to("\u00e9t\u00e9@example.test"))
        (claimed,) = self.queued("elsewhere.test")
        self.assertEqual(claimed.recipients[0].orcpt, "utf-8;\u00e9t\u00e9@example.test")


class IncomingTests(DsnCase):
    """Notifications of other servers about mail of ours."""

    def setUp(self) -> None:
        super().setUp()
        self.store.journey.begin(1000)
        self.as_alice()
        self.take(self.submission, ALICE, to("bob@elsewhere.test"), to("eve@elsewhere.test"))
        (self.name,) = now(self.store.outgoing.named("<1@x>"))

    def come(self, *recipients: str, envid: str = "my envelope", header_id: str = "<1@x>") -> list[dict[str, Any]]:
        """A report comes; what the journey of alice's message has of it then."""
        octets = build(Notification(
            "r", "mx.elsewhere.test", "alice@example.test", 1, 1,
            tuple(RecipientStatus(one, Action.FAILED, "5.1.1", code=550, answer="nobody") for one in recipients),
            f"Message-ID: {header_id}\r\n\r\n".encode(), envid=envid))
        self.client = STRANGER
        self.send(self.mx, ["alice@example.test"], octets, None)
        now(self.store.journey.flush())
        return [dict(step.detail) for step in now(self.store.journey.steps([self.name])) if step.stage == "reported"]

    def test_entered(self) -> None:
        """What is said of our recipients is told in the story of the message, with who says so."""
        (step,) = self.come("bob@elsewhere.test", "stranger@elsewhere.test")
        self.assertEqual((step["recipient"], step["by"], step["words"]),
                         ("bob@elsewhere.test", "mx.elsewhere.test", "5.1.1 550 nobody"))

    def test_not_ours(self) -> None:
        """Another message, another envelope: nothing is entered, and the mail is delivered all the same."""
        self.assertEqual(self.come("bob@elsewhere.test", header_id="<2@x>"), [])
        self.assertEqual(self.come("bob@elsewhere.test", envid="another"), [])
        self.assertEqual(len(uids(self.store, box(self.store, self.alice.id))), 2)
