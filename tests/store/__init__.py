"""Tests of quantummail.store."""
