"""How the tests write down what is known of a message, so that a reader can check it."""

from __future__ import annotations

from quantummail.message.description import Description
from quantummail.message.parts import PartRange, find

_VISIBLE = str.maketrans({"\r": "␍", "\n": "␊", "\0": "␀"})


def visible(octets: bytes) -> str:
    """Octets on one line."""
    return octets.decode("utf-8", "backslashreplace").translate(_VISIBLE)


def paths(packed: bytes) -> list[tuple[tuple[int, ...], PartRange]]:
    """All paths that name a part, depth first."""
    found: list[tuple[tuple[int, ...], PartRange]] = []
    waiting: list[tuple[int, ...]] = [()]
    while waiting:
        path = waiting.pop()
        part = find(packed, path)
        if part is None:
            continue
        found.append((path, part))
        if path:
            waiting.append((*path[:-1], path[-1] + 1))
        waiting.append((*path, 1))
    return found


def rendering(description: Description, data: bytes) -> str:
    """Everything about a message, one thing a line."""
    lines = [
        f"ENVELOPE {visible(description.envelope)}",
        f"BODY {visible(description.body)}",
        f"BODYSTRUCTURE {visible(description.bodystructure)}",
        f"subject {description.subject!r} base {description.base_subject!r} sent {description.sent}",
        f"from {description.from_!r} to {description.to!r} cc {description.cc!r}",
        f"message-id {description.message_id!r} in-reply-to {list(description.in_reply_to)}",
        f"references {len(description.references)}",
    ]
    for path, part in paths(description.parts):
        name = ".".join(map(str, path)) or "message"
        text = visible(data[part.start:part.end])
        shown = text if len(text) <= 40 else f"{text[:18]}....{text[-18:]}"
        header = f" header {part.header_start}:{part.body_start}" if part.is_message else ""
        lines.append(
            f"{name} {part.type} {part.encoding or '?'} mime {part.mime_start}:{part.start}"
            f" body {part.start}:{part.end}{header} {shown}".rstrip())
    return "\n".join(lines) + "\n"
