"""Tests of quantummail.imap."""
