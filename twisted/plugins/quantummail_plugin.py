"""Makes ``twistd quantummail`` known; the options and the service are in :mod:`quantummail.cli`."""

from twisted.application.service import ServiceMaker

quantummail = ServiceMaker(
    "QuantumMail", "quantummail.cli", "A complete private mail server: SMTP, LMTP, IMAP and POP3.", "quantummail"
)
