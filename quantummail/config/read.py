"""Text and environment in, a `Config` out; or every error there is."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from quantummail.config import ini
from quantummail.config.ini import Setting
from quantummail.config.sections import SECTIONS, Config, Key, keys
from quantummail.config.values import Pair

DEFAULT_PATH = "/etc/quantummail/quantummail.ini"
ENVIRONMENT = "QUANTUMMAIL_"
# What Docker and Kubernetes call the address of a service, here of one named like a section (quantummail-smtp)
_PLATFORMS = re.compile(r"SERVICE_(HOST|PORT\w*)|PORT(_\d+_(TCP|UDP|SCTP)\w*)?|NAME|ENV_\w+")


@dataclass(frozen=True, slots=True)
class Problem:
    """One error: where it is, and what is accepted there."""

    place: str
    section: str
    key: str
    value: str | None
    message: str

    def __str__(self) -> str:
        section = f"[{self.section}]" if self.section else ""
        parts = [f"{self.place}:" if self.place else "", section, self.key]
        if self.value is not None:
            parts.append(f"= {self.value}")
        where = " ".join(part for part in parts if part)
        return f"{where.removesuffix(':')}: {self.message}"


class ConfigError(Exception):
    """The configuration cannot be used. `problems` has everything that is wrong with it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


def config_path(given: str | None = None, environ: Mapping[str, str] = os.environ) -> Path:
    """The file to read: the one given, QUANTUMMAIL_CONFIG, or the usual place."""
    return Path(given or environ.get("QUANTUMMAIL_CONFIG") or DEFAULT_PATH)


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """Read a file, and the environment over it. Raises ConfigError."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        problem = Problem("", "", str(path), None, f"{reason}; `quantummail init` makes a configuration")
        raise ConfigError([problem]) from error
    return parse(text, environ, path.parent.absolute())


def parse(text: str, environ: Mapping[str, str] | None = None, directory: Path = Path("/")) -> Config:
    """The configuration from its text. Relative paths begin at `directory`. Raises ConfigError."""
    settings, sections, mistakes = ini.read(text)
    problems = [Problem(error.place, error.section, error.key, None, error.text) for error in mistakes]
    problems += [_unknown_section(name, place) for name, place in sections.items() if name not in SECTIONS]
    overrides, warnings = _from_environment(environ or {})
    chosen = {(setting.section, setting.key): setting for setting in [*settings, *overrides]}
    for setting in chosen.values():
        if setting.section in SECTIONS and setting.key not in keys(setting.section):
            problems.append(_unknown_key(setting))
    reading = _Reading(chosen, directory, problems)
    values = {name: reading.section(name) for name in SECTIONS}
    if problems:
        raise ConfigError(sorted(problems, key=_by_line))
    config = Config(**{name: SECTIONS[name](**fields) for name, fields in values.items()})
    found = _contradictions(config)
    if found:
        raise ConfigError(found)
    return replace(config, warnings=(*warnings, *_doubts(config)))


class _Reading:
    """Turns settings into values, and notes every one that cannot be."""

    def __init__(
        self, chosen: Mapping[tuple[str, str], Setting], directory: Path, problems: list[Problem],
    ) -> None:
        self.chosen = chosen
        self.directory = directory
        self.problems = problems
        self.data_dir = ""
        self.data_dir = str(self.value("server", "data_dir", keys("server")["data_dir"]) or "")

    def section(self, name: str) -> dict[str, Any]:
        return {key_name: self.value(name, key_name, key) for key_name, key in keys(name).items()}

    def value(self, section: str, name: str, key: Key) -> object:
        setting = self.chosen.get((section, name))
        text = key.default if setting is None else setting.value
        try:
            value = key.kind.parse(text.replace("{data_dir}", self.data_dir))
        except ValueError as error:
            if setting is not None:
                detail = f"{error}; accepted: " if str(error) else "accepted: "
                self._note(Problem(setting.place, section, name, setting.value, detail + key.kind.accepts))
            return None
        return self._absolute(value)

    def _note(self, problem: Problem) -> None:
        if problem not in self.problems:  # data_dir is read twice
            self.problems.append(problem)

    def _absolute(self, value: object) -> object:
        if isinstance(value, Path):
            return self.directory / value
        if isinstance(value, tuple) and value and isinstance(value[0], Pair):
            base = self.directory
            return tuple(Pair(base / pair.certificate, base / pair.private_key) for pair in value)
        return value


def _from_environment(environ: Mapping[str, str]) -> tuple[list[Setting], list[str]]:
    """QUANTUMMAIL_<SECTION>_<KEY>. Container platforms make up such names too, so unknown sections only warn."""
    settings, warnings = [], []
    for name in sorted(environ):
        if not name.startswith(ENVIRONMENT) or name == "QUANTUMMAIL_CONFIG":
            continue
        section, _, key = name[len(ENVIRONMENT):].lower().partition("_")
        if section in SECTIONS and key and not _PLATFORMS.fullmatch(key.upper()):
            settings.append(Setting(section, key, environ[name].strip(), name))
            continue
        close = [] if section in SECTIONS else difflib.get_close_matches(section, SECTIONS, 1, 0.6)
        meant = f"; did you mean {ENVIRONMENT}{close[0].upper()}_{key.upper()}?" if close and key else ""
        warnings.append(f"{name} in the environment is not the name of a setting, and has no effect{meant}")
    return settings, warnings


def _suggestion(word: str, words: list[str]) -> str:
    close = difflib.get_close_matches(word, words, 1, 0.6)
    return f", did you mean `{close[0]}`?" if close else f"; there are {', '.join(words)}"


def _unknown_section(name: str, place: str) -> Problem:
    return Problem(place, name, "", None, f"unknown section{_suggestion(name, list(SECTIONS))}")


def _unknown_key(setting: Setting) -> Problem:
    others = [name for name in SECTIONS if setting.key in keys(name)]
    known = list(keys(setting.section))
    if others and not difflib.get_close_matches(setting.key, known, 1, 0.8):
        text = f"unknown key; it belongs to [{'], ['.join(others)}]"
    else:
        text = f"unknown key{_suggestion(setting.key, known)}"
    return Problem(setting.place, setting.section, setting.key, setting.value, text)


def _contradictions(config: Config) -> list[Problem]:
    """Settings that are each in order, but not together."""
    problems: list[Problem] = []
    seen: dict[str, str] = {}
    for name, section in config.listeners().items():
        for endpoint in section.listen:
            place = endpoint if endpoint.kind != "fd" or endpoint.name else f"fd:{name}"
            if endpoint.kind == "tcp" and endpoint.port == 0:
                continue
            if str(place) in seen:
                text = f"[{seen[str(place)]}] listens there too"
                problems.append(Problem("", name, "listen", str(endpoint), text))
            seen[str(place)] = name
    return problems


def _doubts(config: Config) -> list[str]:
    doubts = []
    if config.login.certificates and config.tls.client_ca is None:
        doubts.append("[login] certificates has no effect without [tls] client_ca")
    if config.oauth.introspection_url and not (config.oauth.client_id and config.oauth.client_secret):
        doubts.append("[oauth] client_id and client_secret are not set: most authorization servers refuse that")
    if not config.listeners():
        doubts.append("no listener is on: every `listen` is empty")
    if config.server.hostname == "localhost":
        doubts.append("[server] hostname is not set: other servers will see `localhost`")
    return doubts


def _by_line(problem: Problem) -> tuple[int, str]:
    word = problem.place.removeprefix("line ")
    return (int(word), "") if word.isdigit() else (1 << 30, problem.place)
