"""Tests of quantummail.fetch."""
