"""The composition root: everything is put together here, from the configuration to the listeners."""

from quantummail.service.refusal import StartRefused
from quantummail.service.server import QuantumMailService

__all__ = ["QuantumMailService", "StartRefused"]
