"""NOTIFY: the client says what it wants to be told without asking (RFC 5465)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.imap import capabilities
from quantummail.imap.commands.metadata import METADATA
from quantummail.imap.grammar.cursor import LimitExceeded
from quantummail.imap.grammar.notify import EVENTS, BadEvent, Event, notify_request
from quantummail.imap.notifying import Notification
from quantummail.imap.registry import AUTHENTICATED, command
from quantummail.imap.responses import Refusal

if TYPE_CHECKING:
    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.session import Session

NOTIFY = capabilities.offer("NOTIFY")

_OF_METADATA = Event.MAILBOX_METADATA_CHANGE | Event.SERVER_METADATA_CHANGE


@command("NOTIFY", AUTHENTICATED, capability=NOTIFY)
async def notify(session: Session, arguments: Cursor) -> str:
    """NOTIFY (RFC 5465 3.1). With its end the news of the selected mailbox come, as with that of any command."""
    annotations = session.settings.offers(METADATA)
    bad_event = Refusal("No such event", "BADEVENT ({})".format(
        " ".join(name for name, event in EVENTS.items() if annotations or not event & _OF_METADATA)))
    try:
        request = notify_request(arguments)
    except BadEvent:
        raise bad_event from None
    except LimitExceeded as error:
        raise Refusal(str(error), "NOTIFICATIONOVERFLOW") from None
    if not annotations and any(group.events & _OF_METADATA for group in request.groups):
        raise bad_event
    notification = Notification(session, request.groups)
    await notification.begin(status=request.status)
    if session.notification is not None:
        session.notification.stop()
    session.notification = notification
    session.modes.notify = True
    return "NOTIFY completed"
