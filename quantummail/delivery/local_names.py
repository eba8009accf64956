"""Names of this machine's users as recipients: whom mail to ``root`` is for (/etc/aliases)."""

from __future__ import annotations

import os
import pwd
import re
from pathlib import Path
from typing import TYPE_CHECKING

from twisted.logger import Logger

from quantummail.message.address import Address
from quantummail.store.directory import Resolution

if TYPE_CHECKING:
    from collections.abc import Callable

    from quantummail.store.directory import Directory

_MOST_OCTETS = 1 << 20
# aliases(5): commands, files and lists of others are not for a mail server that runs no programs
_NOT_TAKEN = ("|", "/", ":include:", '"|', '"/')
_COMMA = re.compile(r",(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)")


def parse_aliases(text: str) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """The aliases of a file as sendmail has it, by names in lower case; and what could not be taken, in words."""
    found: dict[str, tuple[str, ...]] = {}
    complaints: list[str] = []
    for line in _logical_lines(text):
        name, colon, rest = line.partition(":")
        name = name.strip().strip('"').lower()
        if not colon or not name:
            complaints.append(f"{line.strip()!r} is not `name: target, ...`")
            continue
        targets = [target.strip() for target in _COMMA.split(rest) if target.strip()]
        refused = [target for target in targets if target.startswith(_NOT_TAKEN)]
        complaints += [f"{name}: {target} is not delivered to: no programs, files or lists" for target in refused]
        taken = tuple(target.strip('"').removeprefix("\\") for target in targets if target not in refused)
        if taken:
            found[name] = taken
    return found, complaints


def _logical_lines(text: str) -> list[str]:
    lines: list[str] = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if line[0] in " \t" and lines:
            lines[-1] += " " + line.strip()
        else:
            lines.append(line)
    return lines


class AliasFile:
    """The file, read again when it has changed."""

    log = Logger(namespace="quantummail.delivery")

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._aliases: dict[str, tuple[str, ...]] = {}

    def targets(self, name: str) -> tuple[str, ...]:
        """What a name stands for; empty if it is none of the file's."""
        self._look()
        return self._aliases.get(name.lower(), ())

    def _look(self) -> None:
        if self._path is None:
            return
        try:
            status = os.stat(self._path)
            seen = (status.st_mtime_ns, status.st_size)
            if seen == self._seen:
                return
            with self._path.open("rb") as file:
                text = file.read(_MOST_OCTETS).decode("utf-8", "replace")
        except FileNotFoundError:
            self._aliases, self._seen = {}, None
            return
        except OSError as error:
            # what was read before still holds
            self.log.warn("{path} cannot be read: {reason}", path=str(self._path), reason=error.strerror)
            return
        self._seen = seen
        self._aliases, complaints = parse_aliases(text)
        for complaint in complaints:
            self.log.warn("{path}: {complaint}", path=str(self._path), complaint=complaint)


def is_user(name: str) -> bool:
    """Whether this machine has a user of that name."""
    try:
        pwd.getpwnam(name)
    except (KeyError, ValueError):
        return False
    return True


class LocalNames:
    """Resolves addresses as the directory does, and those of this machine's users as well.

    A name is first what the directory says of it, if its domain is one of ours; then what the file of aliases says;
    else, if it is a user of this machine, it stands for our administrators: nobody reads that user's mail here.
    """

    def __init__(
        self, directory: Directory, domain: str, aliases: AliasFile, known: Callable[[str], bool] = is_user
    ) -> None:
        """`domain`: what stands behind the @ of local names."""
        self._directory = directory
        self.domain = domain.lower()
        self._aliases = aliases
        self._known = known

    async def resolve(self, local_part: str, domain: str) -> Resolution:
        """Where mail to an address goes."""
        found = await self._directory.resolve(local_part, domain)
        if found.known or found.disabled or domain.lower() != self.domain:
            return found
        result = Resolution(ours=True)
        await self._step(local_part, result, {local_part.lower()})
        return result

    async def _step(self, name: str, result: Resolution, seen: set[str]) -> None:
        targets = self._aliases.targets(name)
        if not targets and self._known(name):
            await self._take("postmaster", "", name, result)
        for target in targets:
            local_part, at, domain = target.rpartition("@")
            if not at:
                local_part, domain = target, self.domain
            result.trail.append(f"{name} -> {target}")
            if await self._take(local_part, domain, name, result) or domain.lower() != self.domain:
                continue
            if local_part.lower() not in seen:
                seen.add(local_part.lower())
                await self._step(local_part, result, seen)

    async def _take(self, local_part: str, domain: str, name: str, result: Resolution) -> bool:
        """Add what the directory says of a target; whether it knows it."""
        found = await self._directory.resolve(local_part, domain)
        result.local.update(found.local)
        result.remote += found.remote
        if found.ours or domain.lower() == self.domain:
            result.trail += [f"{name}: {step}" for step in found.trail]
            return found.known
        try:
            result.remote.append(str(Address(local_part, domain.lower())))
        except ValueError:
            return False
        return True
