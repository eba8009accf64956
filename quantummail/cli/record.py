"""The command that records what one account's programs and the server say to each other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from quantummail.cli.command import (
    EX_DATAERR,
    EX_NOUSER,
    EX_OK,
    EX_USAGE,
    JSON,
    Command,
    CommandFailed,
    say_json,
    say_table,
    warn,
    with_store,
)
from quantummail.cli.owner import become_owner
from quantummail.cli.versions import say
from quantummail.config import values
from quantummail.logs import visible

if TYPE_CHECKING:
    from quantummail.wire.recordings import Recording, Recordings

_MOST_MINUTES = 24 * 60


class Record(Command):
    """Record the dialogues of one account for a while: IMAP, POP3 and submission.

    Passwords, SASL messages and messages themselves are left out, only their sizes are kept. A running server begins
    within two seconds, also with sessions that are there already, and ends by itself. `record list` tells which
    recordings there are; `record show`, `record stop` and `record delete` take the name of one, or the address of the
    account for its last one.
    """

    synopsis = ("ADDRESS [--minutes N] [--size SIZE] | list [--json] | show NAME [--connection ID] | stop NAME | "
                "delete NAME")
    takes = ("what",)
    may_take = "name"
    optFlags = [JSON]
    optParameters = [
        ["minutes", None, "15", f"How long, 1 to {_MOST_MINUTES}."],
        ["size", None, "10M", "Octets that are recorded at most, with K or M."],
        ["connection", None, None, "Show this connection alone."],
    ]

    def run(self) -> int:
        """Do what is asked."""
        run = _VERBS.get(self["what"])
        if run is None and self["name"]:
            raise CommandFailed(EX_USAGE, f"{self['name']!r} is one argument too many")
        if run is not None and self["what"] != "list" and not self["name"]:
            raise CommandFailed(EX_USAGE, "NAME is missing")
        return self._begin() if run is None else run(self)

    def _begin(self) -> int:
        from quantummail.service.lock import is_held  # loads the server, which other commands do not need

        config = self.configuration()
        try:
            minutes = values.whole_number(1, _MOST_MINUTES).parse(self["minutes"])
            limit = values.SIZE.parse(self["size"])
        except ValueError:
            text = f"--minutes takes 1 to {_MOST_MINUTES}, --size octets with K or M"
            raise CommandFailed(EX_DATAERR, text) from None
        address = self["what"]
        user = with_store(config, lambda store: store.users.find(address))
        if user is None:
            raise CommandFailed(EX_NOUSER, f"there is no user {address}")
        recordings = self._recordings()
        now = time.time()
        for other in recordings.list():
            if other.address == user.address and other.runs(now):
                raise CommandFailed(EX_DATAERR, f"{user.address} is recorded already: {other.name}")
        recording = recordings.begin(user.address, minutes * 60, limit, now)
        say(f"{user.address} is recorded for {minutes} minutes: {recording.name}")
        if not is_held(config.server.data_dir / "lock"):
            warn("no server runs now")
        return EX_OK

    def _list(self) -> int:
        now = time.time()
        found = self._recordings().list()
        if self["json"]:
            say_json([_record(recording, now) for recording in found])
        else:
            say_table(("NAME", "ACCOUNT", "BEGAN", "SIZE", ""), [
                (recording.name, recording.address, _moment(recording.begins), recording.size,
                 f"until {_moment(recording.ends)}" if recording.runs(now) else "") for recording in found])
        return EX_OK

    def _show(self) -> int:
        recording = self._found()
        say(f"{recording.address}, {_moment(recording.begins)} to {_moment(recording.ends)}")
        for line in _readable(recording, self["connection"]):
            say(line)
        return EX_OK

    def _stop(self) -> int:
        recording = self._found()
        self._recordings().end(recording)
        say(f"{recording.name} has ended")
        return EX_OK

    def _delete(self) -> int:
        recording = self._found()
        self._recordings().delete(recording)
        say(f"{recording.name} deleted")
        return EX_OK

    def _recordings(self) -> Recordings:
        from quantummail.wire.recordings import Recordings

        data_dir = self.configuration().server.data_dir
        become_owner(data_dir)
        return Recordings(data_dir / "recordings")

    def _found(self) -> Recording:
        wanted = self["name"]
        for recording in reversed(self._recordings().list()):
            if wanted in (recording.name, recording.address):
                return recording
        raise CommandFailed(EX_NOUSER, f"there is no recording {wanted}")


_VERBS: Mapping[str, Callable[[Record], int]] = {
    "list": Record._list, "show": Record._show, "stop": Record._stop, "delete": Record._delete,
}


def _readable(recording: Recording, connection: str | None) -> Iterator[str]:
    """The lines, with a heading wherever another connection begins to speak."""
    last = ""
    with recording.path.open(encoding="utf-8", errors="replace") as file:
        file.readline()
        for line in file:
            words = line.rstrip("\n").split(" ", 4)
            if len(words) < 4:
                continue
            moment, listener, identity, who, *text = words
            if connection is not None and identity != connection:
                continue
            if identity != last:
                last = identity
                yield visible(f"== {listener} {identity}")
            yield visible(f"{_clock(moment)} {who} {text[0] if text else ''}".rstrip())


def _clock(moment: str) -> str:
    """The time of day, here."""
    try:
        parsed = datetime.strptime(moment, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except ValueError:
        return moment
    return f"{parsed.astimezone():%H:%M:%S.%f}"[:-3]


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC).astimezone():%Y-%m-%d %H:%M:%S}"


def _record(recording: Recording, now: float) -> dict[str, Any]:
    return {"name": recording.name, "address": recording.address, "begins": _moment(recording.begins),
            "ends": _moment(recording.ends), "size": recording.size, "running": recording.runs(now)}
