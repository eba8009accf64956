"""Tests of quantummail.message."""
