"""Tests of what all line protocols share."""
