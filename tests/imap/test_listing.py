"""Tests of LIST and its extensions: switches, and what many mailboxes cost. What it says is in the dialogues."""

from __future__ import annotations

from typing import Any

from tests.imap.case import ImapCase
from tests.support.stores import now


class SwitchTests(ImapCase):
    """Extensions that are switched off are neither offered nor understood."""

    def test_off(self) -> None:
        """Without LIST-EXTENDED nothing of it is; single options have their own capabilities."""
        extended = ('LIST (SUBSCRIBED) "" *', 'LIST "" (a b)', 'LIST "" * RETURN (CHILDREN)')
        for disabled, commands in (
            ("LIST-EXTENDED", extended),
            ("LIST-STATUS", ('LIST "" * RETURN (STATUS (MESSAGES))',)),
            ("LIST-MYRIGHTS", ('LIST "" * RETURN (MYRIGHTS)',)),
            ("LIST-METADATA", ('LIST "" * RETURN (METADATA (/private/a))',)),
            ("SPECIAL-USE", ('LIST (SPECIAL-USE) "" *', 'LIST "" * RETURN (SPECIAL-USE)')),
        ):
            connection = self.logged_in(self.listener(disabled=frozenset({disabled})))
            self.assertNotIn(f" {disabled} ", self.say(connection, "c CAPABILITY").replace("\r\n", " "))
            for command in commands:
                with self.subTest(command=command):
                    self.assertIn("a BAD ", self.say(connection, f"a {command}"))

    def test_too_many_patterns(self) -> None:
        """A command has an end."""
        patterns = " ".join(["a"] * 101)
        self.assertIn("a NO [LIMIT] ", self.say(self.logged_in(), f'a LIST "" ({patterns})'))


class ManyTests(ImapCase):
    """Many mailboxes."""

    def test_counters_of_many(self) -> None:
        """LIST-STATUS asks the store once for all mailboxes, for others', and for what is \\Recent (RFC 5819)."""
        for number in range(50):
            now(self.store.mailboxes.create(self.user.id, f"box{number}"))
            self.deliver(mailbox=f"box{number}")
        connection = self.logged_in()
        asked: list[str] = []
        run = self.store.database.run

        def counted(work: Any, *arguments: Any) -> Any:
            asked.append(work.__name__)
            return run(work, *arguments)

        self.patch(self.store.database, "run", counted)
        answer = self.say(connection, 'a LIST "" box% RETURN (STATUS (MESSAGES RECENT UIDNEXT UNSEEN SIZE))')
        self.assertEqual(answer.count("(MESSAGES 1 RECENT 1 UIDNEXT 2 UNSEEN 1 SIZE "), 50)
        self.assertEqual(len(asked), 3)

    def test_others_have_their_turn(self) -> None:
        """More than a thousand names are answered in steps."""
        for number in range(1100):
            now(self.store.mailboxes.subscribe(self.user.id, f"name{number}"))
        connection = self.logged_in()
        self.assertNotIn("a OK", self.say(connection, 'a LIST (SUBSCRIBED) "" name*'))
        answer = ""
        for _ in range(5):
            self.clock.advance(0)
            answer += self.heard(connection)
        self.assertIn("a OK LIST completed", answer)
