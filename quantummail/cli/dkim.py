"""Commands about keys for DKIM signatures. A running server follows within seconds."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from quantummail.cli.command import (
    EX_DATAERR,
    EX_NOUSER,
    EX_OK,
    JSON,
    Command,
    CommandFailed,
    Group,
    say_json,
    say_table,
    with_store,
)
from quantummail.cli.versions import say

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quantummail.store.dkim_keys import DkimKey
    from quantummail.store.store import Store

_ALGORITHMS = ("rsa", "ed25519")
_SELECTOR = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# A TXT record is made of strings of 255 octets at most (RFC 1035 3.3)
_STRING = 255


class DkimAdd(Command):
    """Make keys for a domain, RSA-2048 and Ed25519, and show the records for DNS.

    The first keys of a domain sign at once. Later ones (rotation) wait: publish their records, and when other servers
    can see them, `quantummail dkim activate` them and `retire` the old ones.
    """

    synopsis = "DOMAIN [--selector NAME] [--algorithm rsa|ed25519]"
    takes = ("domain",)
    optParameters = [
        ["selector", None, None, "The beginning of the selectors [default: the month, as 2026-11]."],
        ["algorithm", None, None, "Only this kind of key."],
    ]

    def run(self) -> int:
        """Make them."""
        algorithms = (self["algorithm"],) if self["algorithm"] else _ALGORITHMS
        if not set(algorithms) <= set(_ALGORITHMS):
            raise CommandFailed(EX_DATAERR, f"{self['algorithm']!r} is not one of {', '.join(_ALGORITHMS)}")
        prefix = self["selector"] or time.strftime("%Y-%m")
        if not _SELECTOR.fullmatch(prefix):
            raise CommandFailed(EX_DATAERR, f"{prefix!r} is no selector: letters, digits and hyphens")
        config = self.configuration()
        keys = with_store(config, lambda store: self._add(store, prefix, algorithms))
        for key in keys:
            say(f"{key.domain} has the key {key.selector}, which is {key.state.value}")
        say("")
        say("Records for DNS:")
        _say_records(keys)
        return EX_OK

    async def _add(self, store: Store, prefix: str, algorithms: Iterable[str]) -> list[DkimKey]:
        from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        from quantummail.policy.signing import SigningKey
        from quantummail.store.dkim_keys import KeyState
        from quantummail.store.sealed import Seal, secret_key

        seal = Seal(secret_key(self.configuration().server.data_dir / "keys" / "secrets"))
        known = await store.dkim_keys.of(self["domain"])
        state = KeyState.PUBLISHED if any(key.state is KeyState.ACTIVE for key in known) else KeyState.ACTIVE
        made = []
        for algorithm in algorithms:
            private = (rsa.generate_private_key(65537, 2048) if algorithm == "rsa"
                       else ed25519.Ed25519PrivateKey.generate())
            record = SigningKey("", "", private).record()
            octets = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
            made.append(await store.dkim_keys.add(
                self["domain"], f"{prefix}-{algorithm}", algorithm, octets, record, state, seal))
        return made


class DkimList(Command):
    """List keys."""

    synopsis = "[DOMAIN] [--json]"
    optFlags = [JSON]
    may_take = "domain"

    def run(self) -> int:
        """List them."""
        keys = with_store(self.configuration(), lambda store: store.dkim_keys.of(self["domain"] or None))
        if self["json"]:
            say_json([
                {"domain": key.domain, "selector": key.selector, "algorithm": key.algorithm, "state": key.state.value,
                 "created": key.created, "changed": key.changed, "name": key.name, "record": key.record}
                for key in keys
            ])
        else:
            say_table(("DOMAIN", "SELECTOR", "STATE", "SINCE"), [
                (key.domain, key.selector, key.state.value, time.strftime("%Y-%m-%d", time.localtime(key.changed)))
                for key in keys
            ])
        return EX_OK


class DkimShow(Command):
    """Show the records that a domain needs in DNS."""

    synopsis = "DOMAIN"
    takes = ("domain",)

    def run(self) -> int:
        """Show them."""
        keys = with_store(self.configuration(), lambda store: store.dkim_keys.of(self["domain"]))
        if not keys:
            raise CommandFailed(EX_NOUSER, f"{self['domain']} has no keys: `quantummail dkim add {self['domain']}`")
        _say_records(keys)
        return EX_OK


class _Changing(Command):
    synopsis = "DOMAIN SELECTOR"
    takes = ("domain", "selector")
    done = ""
    state = ""
    """What the key becomes."""

    def run(self) -> int:
        """Change it."""
        from quantummail.store.dkim_keys import KeyState  # with the store, which other commands do not need

        with_store(self.configuration(), lambda store: store.dkim_keys.change(
            self["domain"], self["selector"], KeyState(self.state)))
        say(f"{self['selector']} of {self['domain']} {self.done}")
        return EX_OK


class DkimActivate(_Changing):
    """Sign with a key from now on. Its record should be in DNS by now."""

    done = "signs from now on"
    state = "active"


class DkimRetire(_Changing):
    """Sign with a key no more. Leave its record in DNS for a week: mail that it has signed is still on its way."""

    done = "signs no more; leave its record in DNS for a week"
    state = "retired"


class DkimDelete(Command):
    """Forget a key."""

    synopsis = "DOMAIN SELECTOR"
    takes = ("domain", "selector")

    def run(self) -> int:
        """Delete it."""
        with_store(self.configuration(), lambda store: store.dkim_keys.delete(self["domain"], self["selector"]))
        say(f"{self['selector']} of {self['domain']} deleted")
        return EX_OK


class DkimGroup(Group):
    """Keys for signatures on what our domains send."""

    subCommands = [
        ["add", None, DkimAdd, "make keys for a domain"],
        ["list", None, DkimList, "list keys"],
        ["show", None, DkimShow, "show the records for DNS"],
        ["activate", None, DkimActivate, "sign with a key"],
        ["retire", None, DkimRetire, "sign with a key no more"],
        ["delete", None, DkimDelete, "forget a key"],
    ]


def _say_records(keys: Iterable[DkimKey]) -> None:
    for key in keys:
        strings = [key.record[start : start + _STRING] for start in range(0, len(key.record), _STRING)]
        say(_record_line(key.name, strings))


def _record_line(name: str, strings: Iterable[str]) -> str:
    quoted = " ".join('"' + one + '"' for one in strings)
    return f"{name}. IN TXT ({quoted})"
