"""Tests of quantummail.config."""
