"""The whole server, run by its real command, talks to programs that others wrote."""
