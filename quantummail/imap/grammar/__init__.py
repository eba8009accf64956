"""The text of IMAP (RFC 3501 section 9): octets in, values out. Standard library only."""
