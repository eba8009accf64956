"""Which command may stand where in a session: the one place that knows (RFC 5321 4.1.4)."""

from __future__ import annotations

import enum
from collections.abc import Mapping

from quantummail.smtp.reply import Reply


class State(enum.Enum):
    """How far the client has come."""

    START = enum.auto()
    """Nothing but the greeting was said."""
    READY = enum.auto()
    """The client has said who it is; no transaction."""
    MAIL = enum.auto()
    """A sender, no recipient yet."""
    RCPT = enum.auto()
    """At least one recipient."""
    CHUNKS = enum.auto()
    """Part of the message came by BDAT."""


# RFC 5321 4.1.4: where a command may stand, and what is said where it may not. Others may stand anywhere.
_NO_HELLO = Reply(503, "5.5.1", "Say EHLO first")
_NO_LHLO = Reply(503, "5.5.1", "Say LHLO first")
_NESTED = Reply(503, "5.5.1", "A transaction is under way already; RSET ends it")
_NO_MAIL = Reply(503, "5.5.1", "Say MAIL first")
_NO_RCPT = Reply(503, "5.5.1", "Say RCPT first")
_CHUNK_FAILED = Reply(503, "5.5.1", "A BDAT has failed; say RSET and begin anew")
_IN_CHUNKS = Reply(503, "5.5.1", "The message is coming by BDAT already")
_OUT_OF_ORDER: Mapping[str, Mapping[State, Reply]] = {
    "AUTH": {State.START: _NO_HELLO, State.MAIL: _NESTED, State.RCPT: _NESTED, State.CHUNKS: _NESTED},
    "MAIL": {State.START: _NO_HELLO, State.MAIL: _NESTED, State.RCPT: _NESTED, State.CHUNKS: _NESTED},
    "RCPT": {State.START: _NO_HELLO, State.READY: _NO_MAIL, State.CHUNKS: _IN_CHUNKS},
    "DATA": {State.START: _NO_HELLO, State.READY: _NO_MAIL, State.MAIL: _NO_RCPT, State.CHUNKS: _IN_CHUNKS},
    "BDAT": {State.START: _NO_HELLO, State.READY: _NO_MAIL, State.MAIL: _NO_RCPT},
}

_TLS_FIRST = Reply(530, "5.7.0", "Must issue a STARTTLS command first")
_LOGIN_FIRST = Reply(530, "5.7.0", "Authentication required")
_NO_VALID_RCPT = Reply(503, "5.5.1", "No valid recipients")

# RFC 3207 4: what is answered before TLS where TLS is required
_BEFORE_TLS = frozenset({"EHLO", "LHLO", "HELO", "NOOP", "STARTTLS", "QUIT", "RSET", "HELP"})
_NEED_LOGIN = frozenset({"MAIL", "RCPT", "DATA", "BDAT", "VRFY"})


def out_of_place(verb: str, state: State, *, tls_first: bool, login_first: bool, login_possible: bool,
                 recipients_refused: bool, lmtp: bool, chunk_refused: bool) -> Reply | None:
    """Why a command may not stand here, None if it may.

    :param tls_first: TLS is required and not there.
    :param login_first: a login is required and has not been; `login_possible`: it could be, as things are.
    :param recipients_refused: RCPT was tried in this transaction.
    :param chunk_refused: BDAT was tried in this transaction where it could not stand.
    """
    if tls_first and verb not in _BEFORE_TLS:
        return _TLS_FIRST
    orders = _OUT_OF_ORDER.get(verb)
    if orders is not None:
        refusal = orders.get(state)
        if refusal is _NO_HELLO and lmtp:
            # RFC 2033 4.1
            return _NO_LHLO
        if refusal is not None:
            # RFC 2033 4.2, RFC 5321 3.3: all recipients were refused
            return _NO_VALID_RCPT if refusal is _NO_RCPT and recipients_refused else refusal
    if chunk_refused and verb in ("BDAT", "DATA"):
        # RFC 3030 2: the message has failed, what follows would be half of it
        return _CHUNK_FAILED
    if login_first and verb in _NEED_LOGIN:
        # RFC 4954 6; where a login is impossible as yet, say what makes it possible
        return _LOGIN_FIRST if login_possible else _TLS_FIRST
    return None
