"""How many layers of a model lie on graphics cards, and which cards there are. Knows nothing about processes of models.

The number is reckoned by the child that loads the model, from what its llama.cpp says is free at that moment.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

#: Bytes of each card that stay free, for its driver and for others.
MARGIN = 1 << 30
#: What NVIDIA's driver shows while it is loaded.
_DRIVER = Path("/proc/driver/nvidia/version")
_ASK = ("nvidia-smi", "--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits")
_ASK_S = 5.0


class Load(msgspec.Struct, frozen=True):
    """What putting a model on cards takes."""

    #: As many as the model has, with what comes out of the last one.
    layers: int
    #: Bytes of one of them: weights, and what its slots remember.
    layer: int
    #: Bytes to work in, on each card that has layers.
    buffers: int
    #: As many as somebody wants; ``None`` is as many as fit.
    wanted: int | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """A graphics card; ``None`` is memory that it does not tell, because it shares the machine's."""

    name: str
    total: int | None
    free: int | None


def layers_on(free: Sequence[int], load: Load) -> int:
    """How many layers fit on cards with so many bytes *free* each, or as many as somebody wanted."""
    if load.wanted is not None:
        return min(load.wanted, load.layers)
    room = [max(0, each - MARGIN - load.buffers) for each in free]
    # A layer lies on one card; it is not cut in two.
    return min(load.layers, sum(each // max(1, load.layer) for each in room))


def vram_of(layers: int, load: Load) -> int:
    """Bytes that so many *layers* take on cards."""
    return layers * load.layer + load.buffers if layers else 0


def parse_smi(text: str) -> tuple[Card, ...]:
    """The cards that ``nvidia-smi`` lists; lines that are none, such as its errors, are passed over."""
    lines = [[part.strip() for part in line.rsplit(",", 2)] for line in text.splitlines()]
    return tuple(Card(line[0], _bytes(line[1]), _bytes(line[2])) for line in lines if len(line) == 3 and line[0])  # noqa: PLR2004 - name, total, free


def _bytes(mebibytes: str) -> int | None:
    return int(mebibytes) << 20 if mebibytes.isdecimal() and len(mebibytes) < 10 else None  # noqa: PLR2004 - petabytes


def nvidia_cards(ask: Sequence[str] = _ASK, driver: Path = _DRIVER, within_s: float = _ASK_S) -> tuple[Card, ...]:
    """NVIDIA's cards in this machine, whether or not llama.cpp can use them; never raises. Blocks up to *within_s*."""
    try:
        done = subprocess.run(ask, capture_output=True, text=True, timeout=within_s, check=False)  # noqa: S603 - fixed words
    except (OSError, ValueError, subprocess.TimeoutExpired):
        said: tuple[Card, ...] = ()
    else:
        said = () if done.returncode else parse_smi(done.stdout)
    # In a container the driver may be there without its program.
    return said or ((Card("NVIDIA", None, None),) if driver.exists() else ())
