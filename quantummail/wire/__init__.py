"""One connection of a line protocol, as SMTP, LMTP, POP3 and IMAP share it."""
