"""Tests of quantummail.policy."""
