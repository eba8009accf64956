"""Which way a recipient goes: to our own mailboxes, to the mail hosts of its domain, or to where a rule sends it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import parse_qs, unquote, urlsplit

from quantummail.message.address import Address
from quantummail.smtp.client_session import Login
from quantummail.store.names import lookup_domain
from quantummail.tls.outbound import Mode

LOCAL = "local"
_RULE = re.compile(r"(?:from\s+)?(\S+)\s+(\S+)", re.IGNORECASE)
_SCHEMES = {"smtp": 25, "submission": 587, "submissions": 465, "lmtp": 24}
_TLS = {mode.value: mode for mode in (Mode.NONE, Mode.OPPORTUNISTIC, Mode.ENCRYPT, Mode.VERIFY)}


class Way(Enum):
    """How mail gets there."""

    LOCAL = "local"
    MX = "mx"
    RELAY = "relay"


@dataclass(frozen=True, slots=True)
class Route:
    """Where the recipients of one destination go."""

    way: Way
    name: str
    """The destination, as the queue keeps it: ``local``, a domain, or the URL of a relay without its secrets."""
    host: str = ""
    """A relay's host, or the path of its unix socket."""
    port: int = 0
    lmtp: bool = False
    wrapped: bool = False
    """TLS from the first octet."""
    mode: Mode = Mode.OPPORTUNISTIC
    login: Login | None = field(default=None, repr=False)
    by_mx: bool = False
    """The relay is a domain whose mail hosts are asked for."""


class BadRoute(ValueError):
    """A rule cannot be understood. The text says why."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the configuration: whose mail goes which way."""

    pattern: str
    """``*``, a domain, ``.domain`` for all below it, or an address."""
    of_sender: bool
    """Whether the sender has to match, not the recipient."""
    route: Route | None
    """None: the usual way, by MX."""

    def applies(self, sender: str, recipient: str) -> bool:
        """Whether it is for this mail."""
        address = sender if self.of_sender else recipient
        if self.pattern == "*" or self.pattern == address:
            return True
        domain = address.rpartition("@")[2]
        if self.pattern.startswith("."):
            return domain.endswith(self.pattern)
        return self.pattern.removeprefix("@") == domain


def parse_rule(text: str, logins: Mapping[str, Login]) -> Rule:
    """Read ``[from] pattern target``. `BadRoute` says what is wrong.

    A target is ``mx``, or a URL: ``smtp://host:port``, ``submission://user@host``, ``submissions://user@host``,
    ``lmtp://host:port``, ``lmtp:/path/of/socket``; behind ``?tls=`` one of none, opportunistic, encrypt, verify. A
    user's password comes from `logins`, under ``user@host``.
    """
    found = _RULE.fullmatch(text.strip())
    if found is None:
        raise BadRoute(f"{text.strip()!r} is not `pattern target` or `from pattern target`")
    of_sender = text.strip().lower().startswith("from ")
    return Rule(found[1].lower(), of_sender, None if found[2].lower() == "mx" else parse_target(found[2], logins))


def parse_target(url: str, logins: Mapping[str, Login]) -> Route:
    """Read the URL of a relay."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadRoute(f"{url!r} is not a URL") from error
    if parts.scheme not in _SCHEMES or not (parts.hostname or (parts.scheme == "lmtp" and parts.path)):
        raise BadRoute(f"{url!r} is not mx, nor a URL of {', '.join(_SCHEMES)}")
    if parts.password is not None:
        raise BadRoute(f"{parts.scheme}://{parts.hostname}: passwords belong into the file of credentials")
    host = parts.hostname or parts.path
    wanted = parse_qs(parts.query, keep_blank_values=True)
    if wanted.keys() - {"tls", "mx"} or any(len(values) > 1 for values in wanted.values()):
        raise BadRoute(f"{url!r}: only ?tls= and &mx=yes are known")
    login = _login(parts.username, host, logins)
    return Route(
        Way.RELAY, _name(url), host, port or _SCHEMES[parts.scheme], parts.scheme == "lmtp",
        parts.scheme == "submissions", _mode(url, wanted.get("tls", [""])[0], login), login,
        by_mx=wanted.get("mx", ["no"])[0] == "yes",
    )


def _login(username: str | None, host: str, logins: Mapping[str, Login]) -> Login | None:
    if username is None:
        return None
    key = f"{unquote(username)}@{host}"
    if key not in logins:
        raise BadRoute(f"there is no password for {key} in the file of credentials")
    return logins[key]


def _mode(url: str, tls: str, login: Login | None) -> Mode:
    if not tls:
        # a password goes only to whom it is meant for
        return Mode.VERIFY if login is not None else Mode.OPPORTUNISTIC
    if tls not in _TLS:
        raise BadRoute(f"{url!r}: tls is one of {', '.join(_TLS)}")
    mode = _TLS[tls]
    if login is not None and mode in (Mode.NONE, Mode.OPPORTUNISTIC):
        raise BadRoute(f"{url!r}: a password is never sent without TLS")
    return mode


def _name(url: str) -> str:
    return url.lower()


def parse_credentials(text: str) -> dict[str, Login]:
    """Read a file of credentials: ``user@host password`` in each line, ``#`` for comments."""
    logins: dict[str, Login] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, _, password = line.strip().partition(" ")
        username, _, host = key.rpartition("@")
        if not username or not host or not password.strip():
            raise BadRoute(f"line {number} of the credentials is not `user@host password`")
        logins[key] = Login(username, password.strip())
    return logins


class Routes:
    """The rules, the first that applies counts. Without one: our own domains here, all others by MX."""

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        self._rules = tuple(rules)
        self._relays = {rule.route.name: rule.route for rule in rules if rule.route is not None}

    def destination(self, sender: str, recipient: Address, *, ours: bool) -> str:
        """The name of the destination that a recipient belongs to.

        Rules on senders, and the one for everything, do not take our own domains' mail away.
        """
        address = str(recipient).lower()
        for rule in self._rules:
            if ours and (rule.of_sender or rule.pattern == "*"):
                continue
            if rule.applies(sender.lower(), address):
                return rule.route.name if rule.route is not None else domain_name(recipient)
        return LOCAL if ours else domain_name(recipient)

    def route(self, destination: str) -> Route:
        """The way to a destination. A relay that is not configured any more: its mail goes by MX (see `moved`)."""
        if destination == LOCAL:
            return Route(Way.LOCAL, LOCAL)
        relay = self._relays.get(destination)
        return relay if relay is not None else Route(Way.MX, destination)

    def moved(self, destination: str) -> bool:
        """Whether this was the name of a relay that is gone: its recipients need a destination anew."""
        return "/" in destination and destination not in self._relays


def domain_name(recipient: Address) -> str:
    """The domain of an address in the one form that destinations have: lower case, A-labels."""
    domain = recipient.domain.lower()
    try:
        return lookup_domain(domain)
    except ValueError:
        return domain
