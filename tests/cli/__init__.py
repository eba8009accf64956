"""Tests of quantummail.cli."""
