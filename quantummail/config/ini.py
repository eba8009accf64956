"""The INI syntax of the configuration file, with the line of every setting, and every mistake reported."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

_SECTION = re.compile(r"\[\s*([^\]]*?)\s*\]\s*(?:[#;].*)?")
_COMMENT_BEHIND = re.compile(r"\s[#;].*")


@dataclass(frozen=True, slots=True)
class Setting:
    """One `key = value` as it was written, and where: a line of the file, or an environment variable."""

    section: str
    key: str
    value: str
    place: str


@dataclass(frozen=True, slots=True)
class Mistake:
    """A line that is neither a section, a setting nor a comment, or that says something twice."""

    place: str
    text: str
    section: str = ""
    key: str = ""


def read(text: str) -> tuple[list[Setting], dict[str, str], list[Mistake]]:
    """The settings, the sections with the place where they begin, and the mistakes.

    `#` and `;` begin a comment, at the start of a line or behind white space. An indented line continues the
    value above it. Section and key names are taken in any case.
    """
    settings: dict[tuple[str, str], Setting] = {}
    sections: dict[str, str] = {}
    mistakes: list[Mistake] = []
    section, last = "", None
    for number, line in enumerate(text.splitlines(), 1):
        place = f"line {number}"
        content = _COMMENT_BEHIND.sub("", line).strip()
        if not content or content[0] in "#;":
            continue
        if line[0].isspace() and last is not None:
            before = settings[last]
            settings[last] = replace(before, value=f"{before.value} {content}".strip())
            continue
        last = None
        heading = _SECTION.fullmatch(content)
        key, equals, value = content.partition("=")
        key = key.strip().lower()
        if heading is not None:
            section = heading[1].lower()
            if section in sections:
                mistakes.append(Mistake(place, f"this section began on {sections[section]} already", section))
            sections.setdefault(section, place)
        elif not equals or not key:
            mistakes.append(Mistake(place, f"neither `[section]` nor `key = value`: {content!r}", section))
        elif not section:
            mistakes.append(Mistake(place, "a setting before the first `[section]`", "", key))
        elif (section, key) in settings:
            first = settings[section, key].place
            mistakes.append(Mistake(place, f"set on {first} already", section, key))
        else:
            last = (section, key)
            settings[last] = Setting(section, key, value.strip(), place)
    return list(settings.values()), sections, mistakes
