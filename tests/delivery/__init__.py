"""Tests of quantummail.delivery."""
