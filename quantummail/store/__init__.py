"""Accounts, mailboxes and messages: the only place with SQL, and the Maildir tree of the bodies."""
