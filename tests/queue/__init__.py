"""Tests of quantummail.queue."""
