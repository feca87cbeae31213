"""The machine that MLX runs on: its chip, its memory, and what of that a GPU may have. Knows nothing about models.

On Apple silicon the GPU shares the memory, and macOS lets it wire only a part: two thirds on machines up to 36 GB,
three quarters on larger ones, unless ``iogpu.wired_limit_mb`` says otherwise. Newer systems allow more; less is safe
on all of them.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from enum import IntEnum

import psutil

_GIB, _MIB = 1 << 30, 1 << 20
_SMALL = 36 * _GIB
#: What the system and its programs keep in any case, beside what the GPU may not have.
_SYSTEM = 4 * _GIB
#: The part of the memory of any other machine that models may take, as for the embedded runtime.
_SHARE = 0.75
_CHIP = re.compile(r"Apple M(?P<generation>\d{1,2})(?: (?P<tier>Pro|Max|Ultra))?")
_SYSCTL = ("/usr/sbin/sysctl", "machdep.cpu.brand_string", "hw.memsize", "iogpu.wired_limit_mb")
_MOST = 1 << 50


class Tier(IntEnum):
    """How much of a GPU a chip has: each tier has about twice the cores and the bandwidth of the one before."""

    BASE = 1
    PRO = 2
    MAX = 4
    ULTRA = 8


@dataclass(frozen=True, slots=True)
class Chip:
    """One of Apple's."""

    generation: int
    tier: Tier

    def __str__(self) -> str:
        name = f"Apple M{self.generation}"
        return name if self.tier is Tier.BASE else f"{name} {self.tier.name.capitalize()}"


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine; bytes."""

    memory: int
    #: ``None`` where MLX computes on something else.
    chip: Chip | None = None
    #: What somebody set ``iogpu.wired_limit_mb`` to; 0 leaves it to macOS.
    wired: int = 0

    @property
    def working_set(self) -> int | None:
        """What the GPU may wire; ``None`` where there is no such limit."""
        if self.chip is None:
            return None
        if self.wired:
            return min(self.wired, self.memory)
        return self.memory * 2 // 3 if self.memory <= _SMALL else self.memory * 3 // 4

    @property
    def for_models(self) -> int:
        """What all models together may take when nobody said how much."""
        working_set = self.working_set
        if working_set is None:
            return int(self.memory * _SHARE)
        return max(0, min(working_set, self.memory - _SYSTEM))

    @property
    def slots(self) -> int:
        """Requests that one model should work on at a time."""
        return 4 if self.chip is None else 2 * self.chip.tier + 2

    def __str__(self) -> str:
        return f"{self.chip or 'this machine'} with {self.memory / _GIB:g} GiB"


def chip_of(brand: str) -> Chip | None:
    """The chip of that name; ``None`` for what is none of Apple's M series."""
    found = _CHIP.fullmatch(brand.strip())
    if found is None:
        return None
    return Chip(int(found["generation"]), Tier[(found["tier"] or "base").upper()])


def machine_of(said: str) -> Machine | None:
    """What ``sysctl`` said, one ``name: value`` a line; ``None`` when it did not say how much memory there is."""
    facts = {name.strip(): value.strip() for name, _, value in (line.partition(": ") for line in said.splitlines())}
    memory = _count(facts.get("hw.memsize"))
    if not memory:
        return None
    wired = _count(facts.get("iogpu.wired_limit_mb")) * _MIB
    return Machine(memory, chip_of(facts.get("machdep.cpu.brand_string", "")), min(wired, _MOST))


def this_machine() -> Machine:
    """The machine that this runs on. Blocks for a moment on macOS."""
    if sys.platform == "darwin":
        # It says what it knows, also when it does not know all of these: older systems have no such limit.
        told = subprocess.run(_SYSCTL, capture_output=True, text=True, check=False, timeout=5)  # noqa: S603 - constants
        machine = machine_of(told.stdout)
        if machine is not None:
            return machine
    return Machine(psutil.virtual_memory().total)


def _count(text: str | None) -> int:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > len(str(_MOST)):
        return 0
    return min(int(text), _MOST)
