"""Commands about webhooks. A running server follows within seconds."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from quantummail.cli.command import (
    EX_DATAERR,
    EX_OK,
    JSON,
    Command,
    CommandFailed,
    Group,
    moment,
    say_json,
    say_table,
    with_store,
)
from quantummail.cli.versions import say

if TYPE_CHECKING:
    from quantummail.config import Config
    from quantummail.store.store import Store
    from quantummail.store.webhook_records import ToldEvent, Webhook

_SECRET = 32
_MOST_SHOWN = 1000


class WebhookAdd(Command):
    """Have a web server told what becomes of mail, and show the secret that requests are signed with.

    Requests are POST with JSON, signed as Standard Webhooks says. The secret is shown only now.
    """

    synopsis = "URL [--events LIST] [--account ADDRESS | --domain DOMAIN]"
    takes = ("url",)
    optParameters = [
        ["events", "e", None, "What to tell: received, delivered, deferred, bounced [default: all]."],
        ["account", "a", None, "Only of mail of this account."],
        ["domain", "d", None, "Only of mail of this domain."],
    ]

    def run(self) -> int:
        """Add it."""
        from quantummail.queue.webhook_requests import shown_secret
        from quantummail.store.webhook_records import EVENTS

        events = [word for word in (self["events"] or ",".join(EVENTS)).replace(",", " ").split() if word]
        unknown = [word for word in events if word not in EVENTS]
        if unknown or not events:
            raise CommandFailed(EX_DATAERR, f"{', '.join(unknown) or 'nothing'} is none of {', '.join(EVENTS)}")
        if self["account"] and self["domain"]:
            raise CommandFailed(EX_DATAERR, "either --account or --domain")
        config = self.configuration()
        _check(self["url"], config)
        secret = secrets.token_bytes(_SECRET)
        added = with_store(config, lambda store: self._add(store, config, sorted(set(events)), secret))
        say(f"webhook {added.id} is told of {', '.join(sorted(added.events))}: {added.url}")
        say(f"secret (shown only now): {shown_secret(secret)}")
        return EX_OK

    async def _add(self, store: Store, config: Config, events: list[str], secret: bytes) -> Webhook:
        from quantummail.store.sealed import Seal, secret_key

        seal = Seal(secret_key(config.server.data_dir / "keys" / "secrets"))
        return await store.webhooks.add(
            self["url"], events, secret, seal, account=self["account"] or "", domain=self["domain"] or "")


def _check(url: str, config: Config) -> None:
    """What can be seen without asking anybody; where the name leads is looked at for each request."""
    section = config.webhooks
    try:
        parts = urlsplit(url)
        port = parts.port or (80 if parts.scheme == "http" else 443)
    except ValueError:
        raise CommandFailed(EX_DATAERR, f"{url!r} is no URL") from None
    if parts.scheme != "https" and not (parts.scheme == "http" and section.plain_http):
        raise CommandFailed(EX_DATAERR, f"{url}: only https:// is taken ([webhooks] plain_http)")
    if not parts.hostname or not url.isascii() or not url.isprintable() or " " in url or "@" in parts.netloc:
        raise CommandFailed(EX_DATAERR, f"{url!r} is no URL that can be asked")
    if port not in section.ports:
        raise CommandFailed(EX_DATAERR, f"{url}: port {port} is not taken ([webhooks] ports)")


class WebhookList(Command):
    """List webhooks."""

    synopsis = "[--json]"
    optFlags = [JSON]

    def run(self) -> int:
        """List them."""
        found = with_store(self.configuration(), lambda store: store.webhooks.all())
        if self["json"]:
            say_json([
                {"id": one.id, "url": one.url, "events": sorted(one.events), "account": one.account,
                 "domain": one.domain, "created": one.created} for one in found])
        else:
            say_table(("ID", "URL", "EVENTS", "OF"), [
                (one.id, one.url, ",".join(sorted(one.events)), one.account or one.domain or "all mail")
                for one in found])
        return EX_OK


class WebhookDelete(Command):
    """Tell a web server nothing any more, not even what is still to be told."""

    synopsis = "ID"
    takes = ("id",)

    def run(self) -> int:
        """Delete it."""
        with_store(self.configuration(), lambda store: store.webhooks.delete(_number(self["id"])))
        say(f"webhook {self['id']} deleted")
        return EX_OK


class WebhookHistory(Command):
    """Show the latest events, and every request about them with what was answered."""

    synopsis = "[ID] [--limit NUMBER] [--json]"
    optFlags = [JSON]
    optParameters = [["limit", "n", "50", "How many events."]]
    may_take = "id"

    def run(self) -> int:
        """Show them."""
        limit = min(_number(self["limit"]), _MOST_SHOWN)
        wanted = _number(self["id"]) if self["id"] else None
        found = with_store(self.configuration(), lambda store: store.webhooks.history(wanted, limit))
        if self["json"]:
            say_json([_as_json(one) for one in found])
            return EX_OK
        for one in found:
            say(f"{moment(one.created)}  {one.event_id}  webhook {one.webhook_id}  {one.type}: {one.state}")
            for attempt in one.attempts:
                say(f"  {moment(attempt.at)}  {attempt.code or 'no answer'} {attempt.answer} "
                    f"({attempt.milliseconds} ms)".rstrip())
        return EX_OK


class WebhookGroup(Group):
    """Web servers that are told what becomes of mail."""

    subCommands = [
        ["add", None, WebhookAdd, "have a web server told"],
        ["list", None, WebhookList, "list webhooks"],
        ["history", None, WebhookHistory, "show what was told, and what was answered"],
        ["delete", None, WebhookDelete, "tell it nothing any more"],
    ]


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise CommandFailed(EX_DATAERR, f"{text!r} is no number")
    return int(text)


def _as_json(one: ToldEvent) -> dict[str, object]:
    return {
        "event": one.event_id, "webhook": one.webhook_id, "type": one.type, "created": one.created,
        "state": one.state, "due": one.due, "payload": json.loads(one.payload),
        "attempts": [{"at": attempt.at, "milliseconds": attempt.milliseconds, "code": attempt.code,
                      "answer": attempt.answer} for attempt in one.attempts],
    }
