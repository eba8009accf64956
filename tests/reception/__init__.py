"""Tests of quantummail.reception."""
