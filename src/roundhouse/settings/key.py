"""One row of the table of settings, and where a value came from. Knows nothing about which settings exist."""

from __future__ import annotations

from dataclasses import dataclass

from roundhouse.settings.kinds import Kind


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a value came from."""

    #: ``default``, ``file``, ``environment`` or ``flag``.
    source: str
    #: The file, the variable or the flag; empty for a default.
    where: str = ""

    def __str__(self) -> str:
        return f"{self.source} {self.where}".strip()


@dataclass(frozen=True, slots=True)
class Key:
    """One row of the table."""

    #: As TOML would say it; ``{home}`` stands for the home folder, ``None`` for "not set".
    default: object
    kind: Kind
    help: str
    unit: str = ""
    #: The value is a place on disk: relative ones count from the file that names them.
    path: bool = False
    #: A variable of another program that is honoured when ours is not set.
    also: str | None = None
