"""A selected mailbox as its client knows it: message numbers, and what the client has not been told yet.

RFC 3501 5.2, 5.5 and 7.4.1: numbers change only by the EXPUNGE, VANISHED and EXISTS responses that `View` writes. The
view knows UIDs, not flags: what changes is read from the store when its mod-sequence has grown.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence, Set
from typing import TYPE_CHECKING

from quantummail.imap import responses
from quantummail.imap.grammar.sequence import runs
from quantummail.imap.modes import Modes
from quantummail.imap.recent import RecentUids
from quantummail.imap.shared import shown_name
from quantummail.store.rights import flag_mask

if TYPE_CHECKING:
    from quantummail.imap.contexts import Context
    from quantummail.imap.grammar.sequence import SequenceSet
    from quantummail.store.records import Changes, FlagState, Snapshot


class View:
    """One session's picture of one mailbox."""

    __slots__ = (
        "_expunged",
        "_flag_texts",
        "_saved",
        "_saved_of",
        "_snapshot",
        "_told",
        "account_id",
        "contexts",
        "examined",
        "highest_uid",
        "hinted",
        "keywords",
        "mailbox_id",
        "modes",
        "modseq",
        "name",
        "owner",
        "quiet",
        "recent_uids",
        "rights",
        "touched",
        "uids",
        "uidvalidity",
        "unsaid",
    )

    def __init__(self, snapshot: Snapshot, *, read_only: bool, modes: Modes | None = None) -> None:
        mailbox = snapshot.mailbox
        self.modes = modes or Modes()
        self.mailbox_id = mailbox.id
        self.account_id = mailbox.account_id
        """Whose mailbox it is: not always the reader's."""
        self.owner = mailbox.owner
        """The address of that account, where it is not the reader's."""
        self.rights = mailbox.rights
        """What the reader may do, as it was when he was asked for something last."""
        self.name = mailbox.name
        self.uidvalidity = mailbox.uidvalidity
        self.examined = read_only
        """Whether it was opened by EXAMINE."""
        self._snapshot: Snapshot | None = None
        if snapshot.late:
            self._snapshot = snapshot
        else:
            self.uids = snapshot.uids
            """The UIDs behind the message numbers, ascending; others may share the array, so it is never changed. Not
            there before `fill` where SELECT left them for later: see `Session.know_messages`."""
        self.keywords = snapshot.keywords
        self.modseq = mailbox.highestmodseq
        """What the client has been told, or is about to be, up to here."""
        self.hinted = self.modseq
        """The highest mod-sequence that somebody spoke of."""
        self.highest_uid = mailbox.uidnext - 1
        self.recent_uids = RecentUids()
        self.recent_uids.add(snapshot.recent_from, self.highest_uid)
        self._expunged: set[int] = set()
        self._told = self.modseq
        self._flag_texts: dict[int, bytes] = {}
        self.quiet = False
        """Whether changes of flags are not told now (RFC 5465: a client without FlagChange)."""
        self.unsaid: set[int] = set()
        """Messages whose flags have changed and were not told."""
        self.contexts: dict[str, Context] = {}
        """Searches that are kept up to date, by their tags (RFC 5267)."""
        self.touched: set[int] = set()
        """Messages that have changed since those searches were brought up to date."""
        self._saved = self._saved_of = array("I")

    def may(self, right: str) -> bool:
        """Whether the reader may do something that changes the mailbox."""
        # RFC 3501 6.3.2: one that was opened by EXAMINE is never changed
        return not self.examined and right in self.rights

    @property
    def read_only(self) -> bool:
        """Whether nothing can be changed by this session (RFC 4314 5.2)."""
        return not any(map(self.may, "iestw"))

    @property
    def flag_mask(self) -> int:
        """Which flags may be changed: see `quantummail.store.rights`."""
        return 0 if self.examined else flag_mask(self.rights)

    @property
    def claims_recent(self) -> bool:
        """Whether messages are \\Recent to nobody else once they are so here."""
        # RFC 3501 6.3.2: EXAMINE takes nothing away from others; neither do guests
        return not self.examined and not self.owner

    @property
    def told(self) -> int:
        """The mod-sequence up to which the client has heard of everything, expunged messages too (RFC 7162 3.2.5)."""
        return min(self._told, self.modseq) if self._expunged else self.modseq

    @property
    def behind(self) -> bool:
        """Whether the store has something that this view has not seen."""
        return self.hinted > self.modseq

    @property
    def expunges_wait(self) -> bool:
        """Whether messages are gone that the client still has numbers for."""
        return bool(self._expunged)

    @property
    def filled(self) -> bool:
        """Whether the UIDs are there."""
        return self._snapshot is None

    def fill(self, uids: array[int]) -> bool:
        """Take the UIDs that SELECT left for later; False if they are not as many as the client was told."""
        snapshot, self._snapshot = self._snapshot, None
        self.uids = uids
        return snapshot is None or snapshot.mailbox.messages == len(uids)

    @property
    def exists(self) -> int:
        """How many messages the client knows of."""
        return len(self.uids) if self._snapshot is None else self._snapshot.mailbox.messages

    @property
    def recent(self) -> int:
        """How many of them are \\Recent in this session."""
        return self.recent_uids.count(self.uids) if self._snapshot is None else self._snapshot.recent

    @property
    def gone(self) -> Set[int]:
        """Messages that are gone, and that the client still has numbers for."""
        return self._expunged

    def save(self, uids: Iterable[int]) -> None:
        """Keep the result of a search for ``$`` (RFC 5182). Ascending."""
        self._saved = array("I", uids)
        self._saved_of = self.uids

    @property
    def saved(self) -> array[int]:
        """What ``$`` stands for: without messages that the client knows to be expunged (RFC 5182 2.1)."""
        if self._saved and self._saved_of is not self.uids:
            self._saved = array("I", [uid for uid in self._saved if self.number(uid)])
            self._saved_of = self.uids
        return self._saved

    def vanished(self, uids: Iterable[int]) -> bool:
        """Whether one of these is gone already, although the client still has a number for it."""
        return bool(self._expunged) and not self._expunged.isdisjoint(uids)

    def number(self, uid: int) -> int:
        """The message number of a UID, 0 when the client knows no such message."""
        index = bisect_left(self.uids, uid)
        return index + 1 if index < len(self.uids) and self.uids[index] == uid else 0

    def numbers(self, uids: array[int]) -> Sequence[int]:
        """The message numbers of UIDs that the client knows."""
        first = self.number(uids[0]) if uids else 0
        if first and self.uids[first - 1 : first - 1 + len(uids)] == uids:
            return range(first, first + len(uids))
        return [self.number(uid) for uid in uids]

    def numbered(self, numbers: SequenceSet) -> array[int]:
        """The UIDs of message numbers, ascending; numbers without a message are left out."""
        if numbers.saved:
            return self.saved
        found = array("I")
        for first, last in numbers.within(len(self.uids)):
            found += self.uids[first - 1 : last]
        return found

    def known(self, uids: SequenceSet) -> array[int]:
        """Those of the UIDs that the client knows, ascending (RFC 3501 6.4.8: others are ignored)."""
        if uids.saved:
            return self.saved
        found = array("I")
        for first, last in uids.within(self.uids[-1] if self.uids else 0):
            found += self.uids[bisect_left(self.uids, first) : bisect_left(self.uids, last + 1)]
        return found

    def flag_text(self, uid: int, flags: int) -> bytes:
        """The flags of a message with parentheses; \\Recent belongs to it where this session is the one told."""
        # RFC 9051 appendix E: there is no \\Recent in IMAP4rev2
        recent = uid >= self.recent_uids.first and uid in self.recent_uids and not self.modes.rev2
        key = flags << 1 | recent
        text = self._flag_texts.get(key)
        if text is None:
            text = responses.flag_list(flags, self.keywords, recent=recent)
            if len(self._flag_texts) < 64:
                self._flag_texts[key] = text
        return text

    def flag_texts(self, uids: Sequence[int], flags: Sequence[int]) -> Iterable[bytes]:
        """The same for many messages, whose UIDs ascend."""
        if uids and uids[-1] >= self.recent_uids.first:
            return map(self.flag_text, uids, flags)
        texts = {each: self.flag_text(0, each) for each in set(flags)}
        return map(texts.__getitem__, flags)

    def learn_keywords(self, keywords: tuple[str, ...]) -> bytes:
        """The responses that tell a client of new keywords, before they appear in flags (RFC 3501 7.2.6)."""
        if keywords == self.keywords:
            return b""
        self.keywords = keywords
        self._flag_texts.clear()
        return responses.flags(keywords) + responses.permanent_flags(keywords, self.flag_mask)

    def learn(self, changes: Changes, recent_from: int) -> list[bytes]:
        """Take what the store says, and give the responses that may be sent at once.

        New messages from `recent_from` on are \\Recent in this session.
        Vanished messages keep their numbers until `expunge`.
        """
        self.recent_uids.add(max(recent_from, self.highest_uid + 1), changes.mailbox.uidnext - 1)
        if self.contexts:
            self.touched.update(state.uid for state in changes.changed)
        output = [self.learn_keywords(changes.keywords)]
        arrived = array("I")
        for state in changes.changed:
            if state.uid > self.highest_uid:
                arrived.append(state.uid)
            elif number := self.number(state.uid):
                if self.quiet:
                    self.unsaid.add(state.uid)
                else:
                    output.append(self.flags_line(number, state))
        if not self._expunged:
            self._told = self.modseq
        self._expunged.update(uid for uid in changes.vanished if self.number(uid))
        if changes.remaining is not None:
            self._expunged.update(set(self.uids).difference(changes.remaining))
        self.modseq = max(self.modseq, changes.mailbox.highestmodseq)
        self.name = shown_name(self.owner, changes.mailbox.name) if self.owner else changes.mailbox.name
        if arrived:
            self.uids = self.uids + arrived
            output.append(self.exists_lines())
        self.highest_uid = max(self.highest_uid, changes.mailbox.uidnext - 1)
        return output

    def exists_lines(self) -> bytes:
        """``* n EXISTS``, and RECENT with it (RFC 3501 7.3) where there is such a thing."""
        if self.modes.rev2:
            return b"* %d EXISTS\r\n" % self.exists
        return b"* %d EXISTS\r\n* %d RECENT\r\n" % (self.exists, self.recent)

    def fetch_begin(self, uid: int) -> bytes:
        """The beginning of a response about one message, up to and with the parenthesis."""
        if self.modes.uidonly:
            # RFC 9586 3.3
            return b"* %d UIDFETCH (" % uid
        return b"* %d FETCH (" % self.number(uid)

    def flags_line(self, number: int, state: FlagState, *, uid: bool = False) -> bytes:
        """``* n FETCH (FLAGS ...)``, with the UID for those who asked by UID (RFC 3501 6.4.8)."""
        modes = self.modes
        text = self.flag_text(state.uid, state.flags)
        if not (modes.condstore or modes.uidonly or modes.rev2 or modes.notify):
            if uid:
                return b"* %d FETCH (UID %d FLAGS %s)\r\n" % (number, state.uid, text)
            return b"* %d FETCH (FLAGS %s)\r\n" % (number, text)
        # RFC 7162 3.1: whatever tells flags unasked tells the mod-sequence too
        modseq = b" MODSEQ (%d)" % state.modseq if modes.condstore else b""
        if modes.uidonly:
            return b"* %d UIDFETCH (FLAGS %s%s)\r\n" % (state.uid, text, modseq)
        with_uid = b"UID %d " % state.uid if uid or modes.shows_uid else b""
        return b"* %d FETCH (%sFLAGS %s%s)\r\n" % (number, with_uid, text, modseq)

    def modseq_line(self, state: FlagState, *, uid: bool) -> bytes:
        """Tell the mod-sequence alone: a silent STORE has changed it (RFC 7162 3.1.3)."""
        with_uid = (uid or self.modes.shows_uid) and not self.modes.uidonly
        return b"%s%sMODSEQ (%d))\r\n" % (
            self.fetch_begin(state.uid), b"UID %d " % state.uid if with_uid else b"", state.modseq)

    def expunge(self) -> list[bytes]:
        """Let go of vanished messages: the responses, from the highest number down so that each stays true."""
        if not self._expunged:
            return []
        gone = sorted(index for uid in self._expunged if (index := self.number(uid) - 1) >= 0)
        self._expunged.clear()
        vanished = [self.uids[index] for index in gone] if self.modes.vanished else []
        kept = array("I")
        start = 0
        for index in gone:
            kept += self.uids[start:index]
            start = index + 1
        kept += self.uids[start:]
        self.uids = kept
        if vanished:
            # RFC 7162 3.2.10, RFC 9586 3.3
            return [responses.vanished(runs(vanished))]
        return [b"* %d EXPUNGE\r\n" % (index + 1) for index in reversed(gone)]

    def advance(self, changed: Sequence[FlagState]) -> bool:
        """Take note of flags that this session has changed itself; whether nobody else came in between.

        One change of flags is one step of the mod-sequence: if it is the next one, the view knows all there is.
        """
        if self.contexts:
            self.touched.update(state.uid for state in changed)
        latest = max((state.modseq for state in changed), default=0)
        if latest <= self.modseq:
            return True
        if latest != self.modseq + 1:
            self.hinted = max(self.hinted, latest)
            return False
        self.modseq = latest
        return True
