"""Four kinds of senders that work as fast as they can, and write down in a ledger what they were promised."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Iterator

from tests.faults.ledger import Ledger, Place, message, token
from tests.faults.wire import Gone, Imap, Smtp

_UIDS = re.compile(r"\[(?:APPENDUID|COPYUID) [0-9]+ (?:[0-9]+ )?([0-9]+)\]")
SIZES = (500, 2_000, 2_000, 5_000, 5_000, 10_000, 20_000)
# Beyond what is held in memory while it comes in, and beyond what is written in one piece
LARGE = (300_000, 1_300_000)


def uid_of(text: str) -> int:
    """The UID that APPENDUID or COPYUID tells last."""
    found = _UIDS.search(text)
    if found is None:
        raise AssertionError(f"no UID in {text!r}")
    return int(found[1])


class Sender(threading.Thread):
    """Connects at once, works when it is started, until the server is gone. `trouble` is what it did not expect."""

    kind = ""

    def __init__(self, ledger: Ledger, mark: str, *users: str) -> None:
        super().__init__(daemon=True)
        self.ledger = ledger
        self.users = users
        self.trouble: Exception | None = None
        self._mark = mark
        self._random = random.Random(f"{mark}{self.kind}")

    def run(self) -> None:
        """Work."""
        try:
            self.work()
        except Gone:
            pass
        except Exception as error:  # noqa: BLE001  # the test looks at it
            self.trouble = error
        finally:
            self.close()

    def work(self) -> None:
        """Send until `Gone`."""
        raise NotImplementedError

    def close(self) -> None:
        """Hang up."""
        raise NotImplementedError

    def _tokens(self) -> Iterator[str]:
        number = 0
        while True:
            number += 1
            sizes = LARGE if self._random.random() < 0.02 else SIZES
            yield token(f"{self.kind}.{self._mark}", number, self._random.choice(sizes))


class SmtpSender(Sender):
    """SMTP: the next transaction is on its way before the last one is answered."""

    kind = "smtp"

    def __init__(self, ledger: Ledger, mark: str, *users: str) -> None:
        super().__init__(ledger, mark, *users)
        self._client = Smtp(ledger.server.ports["smtp"])
        self._client.hello()

    def work(self) -> None:
        """One message after the other to the first user."""
        (user,) = self.users
        client = self._client
        begin = f"MAIL FROM:<a@example.net>\r\nRCPT TO:<{user}@{self.ledger.server.domain}>\r\nDATA\r\n".encode()
        client.send(begin)
        for name in self._tokens():
            codes = [client.reply()[0] for _ in range(3)]
            if codes != [250, 250, 354]:
                raise AssertionError(f"refused: {codes}")
            client.send(message(name) + b".\r\n" + begin)
            if client.reply()[0] == 250:
                self.ledger.delivered[user].add(name)

    def close(self) -> None:
        """Hang up."""
        self._client.close()


class LmtpSender(Sender):
    """LMTP: every message for all users, answered for each."""

    kind = "lmtp"

    def __init__(self, ledger: Ledger, mark: str, *users: str) -> None:
        super().__init__(ledger, mark, *users)
        self._client = Smtp(ledger.server.ports["lmtp"])
        self._client.hello("LHLO")

    def work(self) -> None:
        """One message after the other."""
        client = self._client
        for name in self._tokens():
            client.begin(*(f"{user}@{self.ledger.server.domain}" for user in self.users))
            client.send(message(name) + b".\r\n")
            for user in self.users:
                if client.reply()[0] == 250:
                    self.ledger.delivered[user].add(name)

    def close(self) -> None:
        """Hang up."""
        self._client.close()


class ImapSender(Sender):
    """IMAP: what both kinds share."""

    def __init__(self, ledger: Ledger, mark: str, *users: str) -> None:
        super().__init__(ledger, mark, *users)
        (self.user,) = users
        address = f"{self.user}@{ledger.server.domain}"
        self.client = Imap(ledger.server.ports["imap"]).login(address, ledger.server.passwords[address])
        self.client.must("SELECT INBOX")

    def append(self, name: str) -> Place:
        """APPEND to INBOX; where it is."""
        response = self.client.append("INBOX", message(name))
        if not response.ok:
            raise AssertionError(f"{response.status} {response.text}")
        place = (self.user, "INBOX", uid_of(response.text))
        self.ledger.placed[place] = name
        self.ledger.delivered[self.user].add(name)
        return place

    def close(self) -> None:
        """Hang up."""
        self.client.close()


class AppendSender(ImapSender):
    """IMAP APPEND."""

    kind = "append"

    def work(self) -> None:
        """One message after the other."""
        for name in self._tokens():
            self.append(name)


class ChangeSender(ImapSender):
    """IMAP STORE, COPY, MOVE, EXPUNGE, on messages of its own."""

    kind = "change"

    def work(self) -> None:
        """Each message is flagged, then stays, is copied, moved or expunged."""
        ways = (self.flag, self.copy, self.move, self.expunge)
        for number, name in enumerate(self._tokens()):
            place = self.append(name)
            self.flag(place, name)
            ways[number % len(ways)](place, name)

    def flag(self, place: Place, name: str) -> None:
        """STORE a flag and a keyword."""
        del name
        self.client.must(f"UID STORE {place[2]} +FLAGS.SILENT (\\Flagged $Marked)")
        self.ledger.flagged.add(place)

    def copy(self, place: Place, name: str) -> None:
        """COPY to Archive."""
        copied = (self.user, "Archive", uid_of(self.client.must(f"UID COPY {place[2]} Archive").text))
        self.ledger.placed[copied] = name
        self.ledger.flagged.add(copied)

    def move(self, place: Place, name: str) -> None:
        """MOVE to Archive."""
        self.ledger.leaving.add(place)
        response = self.client.must(f"UID MOVE {place[2]} Archive")
        told = [line.decode() for line in response.untagged if b"COPYUID" in line]
        moved = (self.user, "Archive", uid_of(told[0]))
        self.ledger.gone.add(place)
        self.ledger.placed[moved] = name
        self.ledger.flagged.add(moved)

    def expunge(self, place: Place, name: str) -> None:
        """EXPUNGE it."""
        self.client.must(f"UID STORE {place[2]} +FLAGS.SILENT (\\Deleted)")
        self.ledger.leaving.add(place)
        self.ledger.delivered[self.user].discard(name)
        self.client.must(f"UID EXPUNGE {place[2]}")
        self.ledger.gone.add(place)
        self.ledger.dead[self.user].add(name)
