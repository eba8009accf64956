"""Tests of quantummail.pop3."""
