"""Whose signatures count, as the settings say."""

from __future__ import annotations

from pathlib import Path

from roundhouse.library.signing import Mode, Seals
from roundhouse.settings import Settings


def seals_of(settings: Settings) -> Seals:
    """Make what looks at signatures; keys are read when there is one to check."""
    wishes = settings.library
    return Seals(Mode(wishes.signatures), [Path(each).expanduser() for each in wishes.signature_keys])
