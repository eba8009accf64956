"""Tests of quantummail.service."""
