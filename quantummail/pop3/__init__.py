"""POP3: grammar, session and server."""
