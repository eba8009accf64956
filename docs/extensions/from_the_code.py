"""Pages made from the code itself: every setting, and every command. So they are never out of date."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.application import Sphinx

from quantummail.cli import Options
from quantummail.cli.command import Group
from quantummail.config.sections import SECTIONS, ListenerSection, keys


class Settings(Directive):
    """``.. settings::``: every section and key of the configuration file."""

    def run(self) -> list[nodes.Node]:
        return _parsed(self, list(settings_text()))


class Commands(Directive):
    """``.. commands::``: every command with its arguments and options."""

    def run(self) -> list[nodes.Node]:
        return _parsed(self, list(commands_text(Options, [])))


def _parsed(directive: Directive, lines: list[str]) -> list[nodes.Node]:
    section = nodes.section()
    section.document = directive.state.document
    directive.state.nested_parse(StringList(lines, "the code"), 0, section, match_titles=True)
    return section.children


def settings_text() -> Iterator[str]:
    """The sections as reStructuredText. Sections with the same keys and defaults are described together."""
    told: set[type] = set()
    for declared in SECTIONS.values():
        if declared in told:
            continue
        told.add(declared)
        names = [name for name, other in SECTIONS.items() if other is declared]
        title = " ".join(f"[{name}]" for name in names)
        yield from (title, "-" * len(title), "", *_markup(inspect.getdoc(declared) or "").split("\n"), "")
        for name, key in keys(names[0]).items():
            default = key.default or "empty"
            yield from (f"``{name}``", f"   {_markup(key.meaning)}", "",
                        f"   *Accepted:* {_markup(key.kind.accepts)}. *Default:* ``{default}``.",
                        f"   *Environment:* ``QUANTUMMAIL_{names[0].upper()}_{name.upper()}``"
                        + (" and so on." if len(names) > 1 else "."), "")
        if issubclass(declared, ListenerSection):
            yield ""


def commands_text(options: Any, path: list[str]) -> Iterator[str]:
    """The commands below `options` as reStructuredText."""
    for name, _, below, _ in options.subCommands:
        words = [*path, name]
        if issubclass(below, Group):
            yield from commands_text(below, words)
            continue
        title = " ".join(words)
        synopsis = getattr(below, "synopsis", "")
        yield from (title, "-" * len(title), "", f"``quantummail {title} {synopsis}``".replace(" ``", "``"), "",
                    *_markup(inspect.getdoc(below) or "").split("\n"), "")
        for option in _options(below):
            yield from (*option.split("\n"), "")


def _options(command: Any) -> Iterator[str]:
    seen = set()
    for base in command.__mro__:
        for flag, _, meaning in vars(base).get("optFlags", ()):
            if flag not in seen:
                seen.add(flag)
                yield f"``--{flag}``\n   {_markup(meaning)}"
        for parameter, _, _, meaning in vars(base).get("optParameters", ()):
            if parameter not in seen:
                seen.add(parameter)
                yield f"``--{parameter} {parameter.upper().replace('-', '_')}``\n   {_markup(meaning)}"


def _markup(text: str) -> str:
    """Our docstrings mark code with single backquotes, as Markdown does."""
    return re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", text)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("settings", Settings)
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True}
