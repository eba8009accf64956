"""IMAP commands, grouped as RFC 3501 groups them: by the state that allows them."""
