"""IMAP: grammar, commands, session and server."""
