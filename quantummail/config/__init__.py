"""The configuration: one INI file, read into frozen dataclasses."""

from quantummail.config.read import DEFAULT_PATH, ConfigError, Problem, config_path, load, parse
from quantummail.config.sections import (
    Config,
    ImapSection,
    ListenerSection,
    LmtpSection,
    Pop3Section,
    SmtpSection,
    SubmissionSection,
)
from quantummail.config.values import Endpoint

__all__ = [
    "DEFAULT_PATH", "Config", "ConfigError", "Endpoint", "ImapSection", "ListenerSection", "LmtpSection",
    "Pop3Section", "Problem", "SmtpSection", "SubmissionSection", "config_path", "load", "parse",
]
