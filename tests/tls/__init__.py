"""Tests of quantummail.tls."""
