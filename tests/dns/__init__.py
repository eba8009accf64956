"""Tests of quantummail.dns."""
