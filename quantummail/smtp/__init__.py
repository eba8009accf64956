"""SMTP and LMTP on the wire: knows no users and no queue."""
