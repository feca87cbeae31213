"""The process: one home, one port, started, drained and stopped."""

from roundhouse.server.process import in_process, run

__all__ = ["in_process", "run"]
