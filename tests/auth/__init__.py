"""Tests of quantummail.auth."""
