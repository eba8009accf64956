"""Tests of quantummail.imap.commands.quota: SETQUOTA, and whose quotas are shown to whom."""

from __future__ import annotations

from tests.auth.accounts import PASSWORDS
from tests.imap.case import NAME, PASSWORD, ImapCase
from tests.support.stores import make_user, now

ADMINISTRATOR = "root@example.test"


class SetQuotaTests(ImapCase):
    """An administrator, and Alice."""

    def setUp(self) -> None:
        super().setUp()
        now(self.store.users.create(ADMINISTRATOR, PASSWORDS.hash(PASSWORD), admin=True))
        self.administrator = self.logged_in(name=ADMINISTRATOR)

    def test_capability(self) -> None:
        """QUOTASET says that there is SETQUOTA; switched off, there is none."""
        self.assertIn(" QUOTASET ", self.say(self.administrator, "a CAPABILITY"))
        connection = self.logged_in(self.listener(disabled=frozenset({"QUOTASET"})), ADMINISTRATOR)
        self.assertIn("a BAD ", self.say(connection, 'a SETQUOTA "" (STORAGE 10)'))
        self.assertIn("b OK ", self.say(connection, 'b GETQUOTA ""'))

    def test_own(self) -> None:
        """The administrator's own root is the empty one."""
        self.assertEqual(
            self.say(self.administrator, 'a SETQUOTA "" (STORAGE 100 MESSAGE 20)'),
            '* QUOTA "" (STORAGE 0 100 MESSAGE 0 20)\r\na OK SETQUOTA completed\r\n')
        quota = now(self.store.mailboxes.quota(self.user.id))
        self.assertEqual((quota.limit_bytes, quota.limit_messages), (0, 0))

    def test_other(self) -> None:
        """Other users' roots are their addresses; what is not mentioned is unlimited afterwards."""
        answer = self.say(self.administrator, f"a SETQUOTA {NAME.upper()} (message 20)")
        self.assertEqual(answer, "* QUOTA ALICE@EXAMPLE.TEST (MESSAGE 0 20)\r\na OK SETQUOTA completed\r\n")
        self.say(self.administrator, f"b SETQUOTA {NAME} (STORAGE 1)")
        quota = now(self.store.mailboxes.quota(self.user.id))
        self.assertEqual((quota.limit_bytes, quota.limit_messages), (1024, 0))
        self.assertIn(f"* QUOTA {NAME} (STORAGE 0 1)", self.say(self.administrator, f"c GETQUOTA {NAME}"))
        alice = self.logged_in()
        self.assertIn('* QUOTA "" (STORAGE 0 1)', self.say(alice, "d GETQUOTAROOT INBOX"))
        self.assertIn("e NO [OVERQUOTA]", self.say(alice, b"e APPEND INBOX {2000}\r\n"))
        self.assertIn("f OK", self.say(self.administrator, f"f SETQUOTA {NAME} ()"))
        self.assertIn('* QUOTA "" ()', self.say(alice, 'g GETQUOTA ""'))

    def test_refused(self) -> None:
        """What cannot be set."""
        for arguments, expected in (
            ("nobody@example.test (STORAGE 10)", "NO [NONEXISTENT]"),
            ("nonsense (STORAGE 10)", "NO [NONEXISTENT]"),
            (f"{NAME} (STORAGE 0)", "NO [CANNOT]"),
            (f"{NAME} (MESSAGE 0)", "NO [CANNOT]"),
            (f"{NAME} (MAILBOX 10)", "NO [CANNOT]"),
            (f"{NAME} (STORAGE)", "BAD"),
            (f"{NAME} (STORAGE -1)", "BAD"),
            (f"{NAME} (STORAGE 1 STORAGE 2)", "BAD"),
            (f"{NAME} (STORAGE 9223372036854775808)", "BAD"),
            (f"{NAME} STORAGE 1", "BAD"),
            (f"{NAME}", "BAD"),
        ):
            with self.subTest(arguments=arguments):
                self.assertIn(f"a {expected} ", self.say(self.logged_in(name=ADMINISTRATOR), f"a SETQUOTA {arguments}"))

    def test_big(self) -> None:
        """The largest numbers of the grammar fit."""
        answer = self.say(self.administrator, f"a SETQUOTA {NAME} (STORAGE 9223372036854775807 MESSAGE 1)")
        self.assertIn("a OK", answer)

    def test_no_administrator(self) -> None:
        """Others set nothing, and do not learn who is there; their own address is their own root."""
        make_user(self.store, "bob@example.test")
        alice = self.logged_in()
        for root in ('""', NAME, "bob@example.test", "nobody@example.test"):
            self.assertIn("a NO [NOPERM] ", self.say(alice, f"a SETQUOTA {root} (STORAGE 10)"))
        for root in ("bob@example.test", "nobody@example.test", '"bob@example.test "', '"\xe9"'):
            self.assertIn("b NO [NONEXISTENT] ", self.say(alice, f"b GETQUOTA {root}"))
        self.assertEqual(self.say(alice, f"c GETQUOTA {NAME}"), f"* QUOTA {NAME} ()\r\nc OK GETQUOTA completed\r\n")
