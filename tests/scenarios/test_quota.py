"""A small quota: what does not fit is refused for now, and taken when there is room again."""

from __future__ import annotations

import imaplib
import smtplib

from tests.scenarios.case import HOST, STRANGER, Scenario, simple_message
from tests.support.programs import run

BIG = simple_message("big", ("x" * 76 + "\r\n") * 300)


class Quota(Scenario):
    """small may keep 30 KB; few may keep three messages."""

    users = ("alice",)
    own_server = True

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.server.add_user("small", "--quota", "30K")
        cls.server.add_user("few", "--quota-messages", "3")

    def setUp(self) -> None:
        super().setUp()
        self._empty("small")
        self._empty("few")
        self.deliver(BIG, "small")

    def test_size_at_rcpt(self) -> None:
        """A client that tells SIZE hears 452 4.2.2 at RCPT, before it sends anything."""
        client = self.smtp()
        client.mail(STRANGER, [f"SIZE={len(BIG)}"])
        code, text = client.rcpt(self.address("small"))
        self.assertEqual((code, text[:5]), (452, b"4.2.2"))

    def test_after_data(self) -> None:
        """A client that does not tell hears 452 after the data, and nothing was stored."""
        client = self.smtp()
        client.mail(STRANGER)
        self.assertEqual(client.rcpt(self.address("small"))[0], 250)
        code, text = client.data(BIG)
        self.assertEqual((code, text[:5]), (452, b"4.2.2"))
        self.assertEqual(len(self.inbox("small")), 1)
        self.assertEqual(len(self.files("small")), 1)

    def test_swaks(self) -> None:
        """swaks hears it too."""
        said = run("swaks", "--server", f"{HOST}:{self.server.ports['smtp']}", "--from", STRANGER,
                   "--to", self.address("small"), "--body", "-", text=("y" * 70 + "\n") * 300, code=26)
        self.assertIn("452 4.2.2", said)

    def test_lmtp(self) -> None:
        """LMTP has an answer for each: the one with room has the message, the other answer is 452."""
        client = smtplib.LMTP(str(self.server.lmtp_socket), local_hostname="client.example.net")
        self.addCleanup(client.close)
        client.ehlo_or_helo_if_needed()
        client.mail(STRANGER)
        self.assertEqual([client.rcpt(self.address(user))[0] for user in ("alice", "small")], [250, 250])
        client.putcmd("data")
        client.getreply()
        client.send(BIG + b".\r\n")
        self.assertEqual([client.getreply()[0], client.getreply()[0]], [250, 452])
        self.assertEqual([len(self.inbox(user)) for user in ("alice", "small")], [1, 1])

    def test_append(self) -> None:
        """APPEND is NO [OVERQUOTA], before the literal is sent."""
        client = self.imap("small")
        typ, data = client.append("INBOX", "", "", BIG)
        self.assertEqual(typ, "NO")
        self.assertTrue(data[0].startswith(b"[OVERQUOTA]"), data)

    def test_copy(self) -> None:
        """COPY is NO [OVERQUOTA], MOVE is fine: it takes no room."""
        client = self.imap("small")
        client.select()
        typ, data = client.copy("1", "Archive")
        self.assertEqual((typ, data[0][:11]), ("NO", b"[OVERQUOTA]"))
        self.assertEqual(client.uid("MOVE", "1:*", "Archive")[0], "OK")
        self.assertEqual(self.inbox("small", "Archive")[0][-len(BIG):], BIG)

    def test_getquota(self) -> None:
        """GETQUOTAROOT tells usage and limit in units of 1024 octets."""
        client = self.imap("small")
        typ, ((root,), (quota,)) = client.getquotaroot("INBOX")
        self.assertEqual(typ, "OK")
        self.assertTrue(root.startswith(b"INBOX"))
        stored = len(self.inbox("small")[0])
        self.assertIn(f"STORAGE {-(-stored // 1024)} 30".encode(), quota)

    def test_room_again(self) -> None:
        """What is expunged makes room at once."""
        client = self.imap("small")
        client.select()
        client.store("1", "+FLAGS.SILENT", "(\\Deleted)")
        client.expunge()
        self.deliver(BIG, "small")
        self.assertEqual(len(self.inbox("small")), 1)

    def test_messages(self) -> None:
        """A quota of messages holds in all folders together."""
        for _ in range(2):
            self.deliver(simple_message(), "few")
        client = self.imap("few")
        self.assertEqual(client.append("Archive", "", imaplib.Time2Internaldate(0), simple_message())[0], "OK")
        self.assertEqual(client.append("Archive", "", imaplib.Time2Internaldate(0), simple_message())[0], "NO")
        with self.assertRaises(smtplib.SMTPRecipientsRefused) as refused:
            self.deliver(simple_message(), "few")
        self.assertEqual(refused.exception.recipients[self.address("few")][0], 452)

    def test_others_are_served(self) -> None:
        """Of two recipients the one with room gets it when the other is refused at RCPT."""
        with self.smtp() as client:
            refused = client.sendmail(STRANGER, [self.address("alice"), self.address("small")], BIG)
        self.assertEqual(list(refused), [self.address("small")])
        self.assertEqual(len(self.inbox("alice")), 1)
