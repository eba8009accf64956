"""Tests of quantummail.imap.grammar.notify and quantummail.imap.grammar.filters."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.imap.grammar.cursor import BadSyntax, Cursor, LimitExceeded
from quantummail.imap.grammar.fetch import Attribute
from quantummail.imap.grammar.filters import MailboxFilter, mailbox_filter
from quantummail.imap.grammar.mailbox import InvalidMailbox
from quantummail.imap.grammar.notify import BadEvent, Event, EventGroup, NotifyRequest, notify_request

NEW = Event.MESSAGE_NEW | Event.MESSAGE_EXPUNGE


class NotifyTests(SynchronousTestCase):
    """The arguments of NOTIFY."""

    def test_read(self) -> None:
        """What is understood."""
        for text, expected in (
            (b" NONE", NotifyRequest(())),
            (b" set (selected NONE)", NotifyRequest((EventGroup(MailboxFilter("SELECTED"), Event.NONE),))),
            (b" SET STATUS (personal (MessageNew messageexpunge FLAGCHANGE))",
             NotifyRequest((EventGroup(MailboxFilter("PERSONAL"), Event.MESSAGES),), status=True)),
            (b" SET (selected-delayed (MessageNew (uid FLAGS) MessageExpunge)) (inboxes (MailboxName))",
             NotifyRequest((
                 EventGroup(MailboxFilter("SELECTED-DELAYED"), NEW, (Attribute("UID"), Attribute("FLAGS"))),
                 EventGroup(MailboxFilter("INBOXES"), Event.MAILBOX_NAME)))),
            (b" SET (subtree Lists (SubscriptionChange)) (mailboxes (a {1+}\r\nb) (MailboxMetadataChange))",
             NotifyRequest((
                 EventGroup(MailboxFilter("SUBTREE", ("Lists",)), Event.SUBSCRIPTION_CHANGE),
                 EventGroup(MailboxFilter("MAILBOXES", ("a", "b")), Event.MAILBOX_METADATA_CHANGE)))),
            (b" SET (subscribed (ServerMetadataChange))",
             NotifyRequest((EventGroup(MailboxFilter("SUBSCRIBED"), Event.SERVER_METADATA_CHANGE),))),
        ):
            with self.subTest(text=text):
                self.assertEqual(notify_request(Cursor(text)), expected)

    def test_bad(self) -> None:
        """What is not."""
        for text in (
            b"", b" ", b" SET", b" SET ", b" ALL", b" NONE x", b" SET NOW (personal NONE)", b" SET (personal)",
            b" SET (personal ())", b" SET (nobody NONE)", b" SET (subtree NONE)", b" SET (mailboxes () NONE)",
            b" SET (subtree-one a NONE)", b" SET (personal NONE)x", b" SET (personal NONE) ", b" SET (personal SOME)",
            # RFC 5465 section 5
            b" SET (personal (MessageNew))", b" SET (personal (MessageExpunge))", b" SET (personal (FlagChange))",
            b" SET (personal (AnnotationChange))", b" SET (personal (MessageNew FlagChange))",
            # RFC 5465 6.1
            b" SET (selected NONE) (selected-delayed NONE)", b" SET (selected (MailboxName))",
            b" SET (selected (ServerMetadataChange))",
            # section 8: items only of the selected mailbox
            b" SET (personal (MessageNew (UID) MessageExpunge))", b" SET (selected (MessageNew () MessageExpunge))",
            b" SET (selected (MessageNew (UID NOTHING) MessageExpunge))",
        ):
            with self.subTest(text=text):
                self.assertRaises(BadSyntax, notify_request, Cursor(text))

    def test_unknown_event(self) -> None:
        """An unknown event is no error of syntax (RFC 5465 3.1), if nothing else is wrong."""
        self.assertRaises(BadEvent, notify_request, Cursor(b" SET (personal (MessageRead)) (inboxes NONE)"))
        self.assertRaises(
            BadEvent, notify_request, Cursor(b" SET (personal (MessageNew MessageExpunge AnnotationChange))"))
        self.assertRaises(BadSyntax, notify_request, Cursor(b" SET (personal (MessageRead)) (inboxes)"))

    def test_too_much(self) -> None:
        """A command has an end."""
        names = b" ".join([b"a"] * 1001)
        self.assertRaises(LimitExceeded, notify_request, Cursor(b" SET (mailboxes (%b) NONE)" % names))
        groups = b" ".join([b"(personal NONE)"] * 101)
        self.assertRaises(LimitExceeded, notify_request, Cursor(b" SET " + groups))

    @given(st.lists(st.sampled_from([
        b"SET", b"NONE", b"STATUS", b" ", b" ", b"(", b")", b"personal", b"selected", b"subtree", b"INBOX",
        b"MessageNew", b"MessageExpunge", b"UID", b"MailboxName", b"Other", b'"', b"&", b"{1}\r\n",
    ])))
    def test_anything(self, pieces: list[bytes]) -> None:
        """Nothing raises what is no answer to a client."""
        with contextlib.suppress(BadSyntax, LimitExceeded, InvalidMailbox, BadEvent):
            notify_request(Cursor(b" " + b"".join(pieces)))


class FilterTests(SynchronousTestCase):
    """Which mailboxes are meant."""

    def test_matches(self) -> None:
        """Each kind."""
        names = ("INBOX", "INBOX/a", "Lists", "Lists/a", "Lists/a/b", "Listsx", "50%")
        for text, expected in (
            (b"personal", names), (b"inboxes", names[:1]), (b"subscribed", ("Lists", "50%")),
            (b"mailboxes Lists/a", ("Lists/a",)), (b'mailboxes ("50%" "L*")', ("50%",)),
            (b"subtree Lists", ("Lists", "Lists/a", "Lists/a/b")), (b"subtree (inbox Lists/a)",
             ("INBOX", "INBOX/a", "Lists/a", "Lists/a/b")),
            (b"subtree-one Lists", ("Lists", "Lists/a")), (b"selected", ()),
        ):
            with self.subTest(text=text):
                found = mailbox_filter(Cursor(text), subtree_one=True)
                self.assertEqual(tuple(name for name in names if found.matches(name, {"Lists", "50%"})), expected)
