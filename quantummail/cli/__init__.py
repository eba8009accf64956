"""The commands: what an administrator types, and how ``twistd`` starts the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quantummail.cli.options import Options
    from quantummail.cli.serving import main, makeService

__all__ = ["Options", "main", "makeService"]


def __getattr__(name: str) -> Any:
    # Loaded when it is asked for: `sendmail` is of this package too, and has to be quick
    if name == "Options":
        from quantummail.cli.options import Options

        return Options
    if name in ("main", "makeService"):
        from quantummail.cli import serving

        return getattr(serving, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
