"""The commands: what an administrator types, and how ``twistd`` starts the server."""

from quantummail.cli.options import Options
from quantummail.cli.serving import main, makeService

__all__ = ["Options", "main", "makeService"]
