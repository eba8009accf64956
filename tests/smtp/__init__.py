"""Tests of the SMTP package."""
