"""The server's side of an SMTP or LMTP session, without a transport: bytes in, events out.

`ServerSession.next_event` reads the buffer and says what to do next. A `Reply` is to be sent. The other events ask
for something first; the answer goes into the method that the event names, and what comes back is to be sent.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Mapping, Sequence

from quantummail.message.envelope import Recipient, Sender
from quantummail.message.ids import new_id
from quantummail.smtp import events, extensions, grammar, order
from quantummail.smtp.data import BARE_LINE_END, TOO_BIG, ChunkReader, DataReader
from quantummail.smtp.login import Outcome
from quantummail.smtp.order import State
from quantummail.smtp.reply import Refusal, Reply
from quantummail.smtp.settings import SmtpSettings
from quantummail.wire.lines import LineBuffer, LineTooLong

_UNKNOWN = Reply(500, "5.5.1", "Command not recognized")
_TOO_LONG = Reply(500, "5.5.2", "Line too long")
_TOO_LONG_AUTH = Reply(500, "5.5.6", "Authentication exchange line is too long")  # RFC 4954 4
_OK = Reply(250, "2.0.0", "OK")
_BARE_LF = Reply(550, "5.5.2", "The command line ends in a LF that stands alone; lines end in CRLF")
_NEEDS_TLS = Reply(530, "5.7.10", "REQUIRETLS needs TLS here, too: say STARTTLS first")  # RFC 8689 4.1
_GO_AHEAD = Reply(354, "", "End the message with <CRLF>.<CRLF>")

_JUNK = frozenset({"NOOP", "RSET", "VRFY", "EXPN", "HELP", "HELO", "EHLO", "LHLO"})
# The octets of a refused chunk are read over, so that the client hears the answer; for more than this we do not wait
MOST_READ_OVER = 64 << 20
# A browser that was made to talk to us: what it sends next is not meant as SMTP
_HTTP = frozenset({"GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT"})


class ServerSession:
    """All state of one session.

    :param buffer: what the client has sent; the session takes from it what it reads.
    :param tls: whether the connection began with TLS.
    :param plaintext_login: whether this client may log in without TLS.
    :param offers_tls: whether STARTTLS can be done.
    :param mechanisms: asked for the names of the SASL mechanisms that can work now, best first.
    """

    def __init__(self, buffer: LineBuffer, settings: SmtpSettings, *, tls: bool = False, offers_tls: bool = False,
                 plaintext_login: bool = False,
                 mechanisms: Callable[[], Sequence[str]] = tuple) -> None:
        self.buffer = buffer
        self.settings = settings
        self.tls = tls
        self.offers_tls = offers_tls
        self.plaintext_login = plaintext_login
        self.lmtp = settings.mode == "lmtp"
        self._mechanisms = mechanisms
        self.disabled = settings.disabled
        """Extensions that are switched off: for all, and from a login on for the account."""
        self.helo = ""
        self.extended = False
        self.user = ""
        self.errors = 0
        self._junk = 0
        self._messages = 0
        self._failed_logins = 0
        self._authenticating = False
        self._ending: events.Farewell | None = None
        self._skipped = 0
        self._skip_reply = _UNKNOWN
        self.state = State.START
        self._reset()

    def _reset(self) -> None:
        """Forget the transaction (RFC 5321 4.1.1.5)."""
        if self.state is not State.START:
            self.state = State.READY
        self.transaction = ""
        self.sender: Sender | None = None
        self.recipients: list[Recipient] = []
        self._asked_recipients = 0
        self._reader: DataReader | None = None
        self._chunks: ChunkReader | None = None
        self._in_chunk = False
        self._chunk_refused = False
        self._failure: Reply | None = None

    # What the connection asks.

    @property
    def receiving(self) -> bool:
        """Whether the client is in the middle of a message."""
        return self._reader is not None or self._in_chunk or self.state is State.CHUNKS

    @property
    def protocol(self) -> str:
        """The word after `with` in Received (RFC 3848; RFC 6531 4.3 where the transaction has SMTPUTF8)."""
        if not self.extended:
            return "SMTP"
        security = ("S" if self.tls else "") + ("A" if self.user else "")
        if self.sender is not None and self.sender.smtputf8:
            return ("UTF8LMTP" if self.lmtp else "UTF8SMTP") + security
        return ("LMTP" if self.lmtp else "ESMTP") + security

    def greeting(self) -> Reply:
        """What is said first (RFC 5321 3.1)."""
        return Reply(220, "", f"{self.settings.hostname} {'LMTP' if self.lmtp else 'ESMTP'} QuantumMail")

    def farewell(self, status: str, text: str) -> Reply:
        """The 421 that ends a session from our side (RFC 5321 3.8)."""
        return Reply(421, status, f"{self.settings.hostname} {text}")

    def next_event(self) -> events.Event | None:
        """What to do next; None when more input is needed."""
        if self._reader is not None:
            return self._data_event(self._reader) or self._ending
        if self._in_chunk:
            return self._chunk_event() or self._ending
        if self._ending is not None:
            return self._ending
        if self._skipped:
            return self._skip_event()
        try:
            line = self.buffer.take_line(grammar.MAX_AUTH_LINE if self._logs_in else grammar.MAX_COMMAND_LINE)
        except LineTooLong:
            authenticating, self._authenticating = self._authenticating, False
            return self.answered(_TOO_LONG_AUTH if authenticating else _TOO_LONG)
        if line is None:
            return None
        if not line.endswith(b"\r\n") and self.settings.mode == "mx" and not self.settings.normalize_line_ends:
            # RFC 5321 2.3.8: elsewhere a LF may be text, and what stands behind it is no command of who sent the text
            return self._last_word(_BARE_LF)
        try:
            return self._response(line) if self._authenticating else self._command(line)
        except Refusal as refusal:
            return self.answered(refusal.reply)

    # Answers to events.

    def answered(self, reply: Reply) -> Reply:
        """Any reply that goes out is counted here: too many refusals end the session (after this reply)."""
        if reply.code >= 500:
            self._count_error()
        return reply

    def _last_word(self, reply: Reply) -> Reply:
        """This reply is followed by 421 and the end: nothing that the client has sent behind it is looked at."""
        self._reset()
        self._ending = events.Farewell(self.farewell("4.7.0", "Closing connection"))
        return reply

    def _count_error(self) -> None:
        self.errors += 1
        if self.settings.max_errors and self.errors >= self.settings.max_errors:
            self._ending = events.Farewell(self.farewell("4.7.0", "Too many errors"))

    def mail_answered(self, reply: Reply) -> Reply:
        """The receiver's answer to `MailAsked`."""
        if reply.positive:
            self.state = State.MAIL
            self._messages += 1
        else:
            self._reset()
        return self.answered(reply)

    def rcpt_answered(self, recipient: Recipient, reply: Reply) -> Reply:
        """The receiver's answer to `RcptAsked`."""
        if reply.positive:
            self.state = State.RCPT
            self.recipients.append(recipient)
        elif self.lmtp:
            # A mail store's own MTA does not guess addresses: unknown recipients are no errors of the session
            return reply
        return self.answered(reply)

    def challenged(self, challenge: bytes) -> Reply:
        """The mechanism's answer to `LoginAsked` or `Responded`: the next line is a response (RFC 4954 4)."""
        self._authenticating = True
        return Reply(334, "", binascii.b2a_base64(challenge, newline=False).decode("ascii"))

    def login_answered(self, outcome: Outcome) -> Reply:
        """The end of what `LoginAsked` began."""
        if outcome.reply.positive:
            self.user = outcome.user
            self.disabled = self.settings.disabled | outcome.disabled
        elif outcome.reply.code >= 500:
            self._login_failed()
        return self.answered(outcome.reply)

    def data_accepted(self) -> Reply:
        """There is a place for the content that `DataAsked` announced."""
        settings = self.settings
        self._reader = DataReader(settings.max_size, normalize=settings.normalize_line_ends)
        return _GO_AHEAD

    def content_failed(self, reply: Reply) -> None:
        """The content cannot be kept: swallow the rest of it, then answer this."""
        if self._failure is None:
            self._failure = reply

    def delivered(self, replies: Sequence[Reply]) -> tuple[Reply, ...]:
        """The receiver's answers to `Complete`: one, or from an LMTP receiver one for each recipient."""
        self._reset()
        if any(reply.positive for reply in replies):
            self.errors = self._junk = 0
        for reply in replies if not self.lmtp else ():
            self.answered(reply)
        return tuple(replies)

    def tls_started(self) -> None:
        """RFC 3207 4.2: everything the client has said before is forgotten."""
        self.tls = True
        self.helo = self.user = ""
        self.extended = False
        self._authenticating = False
        self.disabled = self.settings.disabled
        self.state = State.START
        self._reset()

    def expel(self) -> None:
        """The account may not be used any more: what is there of a message counts, no command is taken."""
        self._ending = events.Farewell(self.farewell("4.7.0", "Log in again"))

    # Commands.

    def _command(self, line: bytes) -> events.Event | None:
        verb, argument = grammar.split(line)
        run = _COMMANDS.get(verb) if extensions.COMMANDS.get(verb) not in self.disabled else None
        if run is None or ((verb == "LHLO") != self.lmtp and verb in _HELLO):
            # RFC 2033 4.1: LMTP has LHLO and neither HELO nor EHLO
            return events.Farewell(_UNKNOWN) if verb in _HTTP else self.answered(_UNKNOWN)
        if len(line) > grammar.MAX_COMMAND_LINE and verb != "AUTH":
            return self.answered(_TOO_LONG)
        refusal = order.out_of_place(
            verb, self.state, tls_first=self.settings.require_tls and not self.tls,
            login_first=self.settings.mode == "submission" and not self.user, login_possible=self._may_login(),
            recipients_refused=self._asked_recipients > 0, lmtp=self.lmtp, chunk_refused=self._chunk_refused)
        if refusal is not None:
            return self._skip_chunk(argument, refusal) if verb == "BDAT" else self.answered(refusal)
        if verb in _JUNK:
            self._junk += 1
            if self.settings.max_junk and self._junk > self.settings.max_junk:
                self._count_error()
        return run(self, verb, argument)

    @property
    def _logs_in(self) -> bool:
        return self.settings.mode == "submission"

    def _may_login(self) -> bool:
        return self.tls or self.plaintext_login

    def _hello(self, verb: str, argument: str) -> Reply:
        self.helo = grammar.hello(verb, argument)
        self.extended = verb != "HELO"
        self.state = State.READY
        # RFC 5321 4.1.4: EHLO in the middle of a session is a RSET too
        self._reset()
        if not self.extended:
            return Reply(250, "", self.settings.hostname)
        return Reply(250, "", "\n".join([self.settings.hostname, *extensions.keywords(
            self.settings, self.disabled, tls=self.tls, starttls=self.offers_tls and not self.tls,
            mechanisms=self._mechanisms() if self._logs_in and self._may_login() and not self.user else (),
        )]))

    def _mail(self, _: str, argument: str) -> events.Event:
        settings = self.settings
        if settings.max_messages and self._messages >= settings.max_messages:
            # RFC 9422 4.1
            return events.Farewell(self.farewell("4.7.0", "Too many transactions in this session"))
        sender = grammar.mail(argument)
        extensions.check_sender(sender, self.disabled)
        if settings.max_size and sender.size > settings.max_size:
            # RFC 1870 6.1
            return self.answered(TOO_BIG)
        if sender.require_tls and not self.tls:
            return self.answered(_NEEDS_TLS)
        if sender.body == "BINARYMIME" and not settings.binarymime:
            return self.answered(Reply(501, "5.5.4", "BODY=BINARYMIME is not offered"))
        self.sender = sender
        self.transaction = new_id()
        return events.MailAsked(sender)

    def _rcpt(self, _: str, argument: str) -> events.Event:
        self._asked_recipients += 1
        recipient = grammar.rcpt(argument, smtputf8=self.sender is not None and self.sender.smtputf8)
        extensions.check_recipient(recipient, self.disabled)
        if self.settings.max_recipients and len(self.recipients) >= self.settings.max_recipients:
            # RFC 5321 4.5.3.1.10
            return self.answered(Reply(452, "4.5.3", "Too many recipients"))
        return events.RcptAsked(recipient)

    def _data(self, verb: str, argument: str) -> events.Event:
        grammar.no_argument(verb, argument)
        if self.sender is not None and self.sender.body == "BINARYMIME":
            # RFC 3030 3
            return self.answered(Reply(503, "5.5.1", "BODY=BINARYMIME comes by BDAT only"))
        return events.DataAsked()

    def _bdat(self, _: str, argument: str) -> events.Event | None:
        try:
            chunk = grammar.bdat(argument)
        except Refusal as refusal:
            # Nobody knows how many octets follow: they must not be read as commands
            return events.Farewell(refusal.reply)
        if self._chunks is None:
            binary = self.sender is not None and self.sender.body == "BINARYMIME"
            self._chunks = ChunkReader(self.settings.max_size, binary=binary,
                                       normalize=self.settings.normalize_line_ends)
        self._chunks.begin(chunk.octets, last=chunk.last)
        self._in_chunk = True
        self.state = State.CHUNKS
        return self._chunk_event()

    def _rset(self, verb: str, argument: str) -> Reply:
        grammar.no_argument(verb, argument)
        self._reset()
        return _OK

    def _noop(self, _verb: str, _argument: str) -> Reply:
        return _OK

    def _quit(self, _verb: str, _argument: str) -> events.Farewell:
        return events.Farewell(Reply(221, "2.0.0", f"{self.settings.hostname} closing connection"))

    def _help(self, _verb: str, _argument: str) -> Reply:
        return Reply(214, "2.0.0", "Commands: " + " ".join(
            verb for verb in _COMMANDS if verb not in _HELLO or (verb == "LHLO") == self.lmtp))

    def _vrfy(self, _: str, argument: str) -> events.Event:
        # RFC 6531 3.7.4.2: SMTPUTF8 may follow the string
        argument = argument.removesuffix(" SMTPUTF8").rstrip(" ")
        if not argument:
            raise Refusal(501, "5.5.4", "Syntax: VRFY address")
        return events.VrfyAsked(argument)

    def _expn(self, _verb: str, _argument: str) -> Reply:
        # RFC 5321 7.3 leaves it to the site, 4.2.4 gives the code
        return self.answered(Reply(502, "5.5.1", "EXPN is not implemented"))

    def _starttls(self, verb: str, argument: str) -> events.Event:
        if not self.offers_tls and not self.tls:
            return self.answered(Reply(502, "5.5.1", "STARTTLS is not offered"))
        if self.tls:
            return self.answered(Reply(503, "5.5.1", "TLS is active already"))
        # RFC 3207 4
        grammar.no_argument(verb, argument)
        if len(self.buffer):
            # Octets behind STARTTLS came in plain text, and would be taken as said under TLS (CVE-2011-0411)
            return events.Farewell(Reply(554, "5.5.1", "Nothing may follow STARTTLS before the handshake"))
        return events.StartTls(Reply(220, "2.0.0", "Ready to start TLS"))

    # AUTH (RFC 4954).

    def _auth(self, _: str, argument: str) -> events.Event:
        offered = self._mechanisms() if self._logs_in else ()
        if not offered or not self.extended:
            return self.answered(Reply(503, "5.5.1", "AUTH is not offered"))
        if self.user:
            return self.answered(Reply(503, "5.5.1", "Already authenticated"))
        if not self._may_login():
            return self.answered(Reply(538, "5.7.11", "Encryption required: say STARTTLS first"))
        wanted = grammar.auth(argument)
        if wanted.mechanism not in offered:
            return self.answered(Reply(504, "5.5.4", "Mechanism is not supported"))
        return events.LoginAsked(wanted.mechanism, None if wanted.initial is None else
                                 grammar.sasl_octets(wanted.initial))

    def _response(self, line: bytes) -> events.Event:
        self._authenticating = False
        text = line.rstrip(b"\r\n")
        if text == b"*":
            # RFC 4954 4
            return self.answered(Reply(501, "5.7.0", "Authentication cancelled"))
        if not text.isascii():
            raise Refusal(501, "5.5.2", "Not base64")
        return events.Responded(grammar.sasl_octets(text.decode("ascii")))

    def _login_failed(self) -> None:
        self._failed_logins += 1
        if self.settings.max_logins and self._failed_logins >= self.settings.max_logins:
            self._ending = events.Farewell(self.farewell("4.7.0", "Too many failed logins"))

    # The message itself.

    def _data_event(self, reader: DataReader) -> events.Event | None:
        if reader.done:
            return self._content_end(reader)
        data = self.buffer.take_all()
        if not data:
            return None
        block = reader.feed(data)
        if reader.rest:
            self.buffer.feed(reader.rest)
        return events.Block(block) if block and self._failure is None else self._data_event(reader)

    def _chunk_event(self) -> events.Event | None:
        reader = self._chunks
        if reader is None:
            return None
        if reader.done:
            return self._chunk_end(reader)
        refusal = self._failure or reader.refusal
        if refusal is not None and reader.remaining > MOST_READ_OVER:
            return self._last_word(refusal)
        data = self.buffer.take(reader.remaining)
        if not data and reader.remaining:
            return None
        block = reader.feed(data)
        return events.Block(block) if block and self._failure is None else self._chunk_event()

    def _chunk_end(self, reader: ChunkReader) -> events.Event:
        self._in_chunk = False
        if reader.last:
            return self._content_end(reader)
        # RFC 3030 2: every chunk is answered; after a refused one the others are refused too, until RSET or LAST
        refusal = self._failure or reader.refusal
        if reader.refusal is BARE_LINE_END:
            return self._last_word(BARE_LINE_END)
        if refusal is not None:
            return self.answered(refusal)
        return Reply(250, "2.0.0", f"{reader.size} octets received")

    def _content_end(self, reader: DataReader | ChunkReader) -> events.Event:
        refusal = self._failure or reader.refusal
        if refusal is None:
            self._reader = None
            return events.Complete()
        # RFC 2033 4.2: an LMTP server answers once for each recipient, whatever it answers
        replies = (refusal,) * (len(self.recipients) if self.lmtp else 1)
        refused = events.MessageRefused(self.transaction, replies)
        self._reset()
        self.answered(refusal)
        if reader.refusal is BARE_LINE_END:
            # whoever lets such a message through may have been made to send more than it knows
            self._last_word(refusal)
        return refused

    def _skip_chunk(self, argument: str, refusal: Reply) -> events.Event | None:
        """A BDAT that may not be: its octets follow all the same."""
        try:
            octets = grammar.bdat(argument).octets
        except Refusal as malformed:
            return events.Farewell(malformed.reply)
        if octets > MOST_READ_OVER:
            return self._last_word(refusal)
        self._skipped = octets
        self._skip_reply = refusal
        self._chunk_refused = self.state is not State.START and self.state is not State.READY
        return self._skip_event()

    def _skip_event(self) -> events.Event | None:
        self._skipped -= len(self.buffer.take(self._skipped))
        return None if self._skipped else self.answered(self._skip_reply)


_HELLO = frozenset({"HELO", "EHLO", "LHLO"})
_COMMANDS: Mapping[str, Callable[[ServerSession, str, str], events.Event | None]] = {
    "HELO": ServerSession._hello, "EHLO": ServerSession._hello, "LHLO": ServerSession._hello,
    "MAIL": ServerSession._mail, "RCPT": ServerSession._rcpt, "DATA": ServerSession._data,
    "BDAT": ServerSession._bdat, "RSET": ServerSession._rset, "NOOP": ServerSession._noop,
    "VRFY": ServerSession._vrfy, "EXPN": ServerSession._expn, "HELP": ServerSession._help,
    "QUIT": ServerSession._quit, "AUTH": ServerSession._auth, "STARTTLS": ServerSession._starttls,
}
