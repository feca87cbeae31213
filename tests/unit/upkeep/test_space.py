"""What a plan needs of the disk, and what is promised to others."""

from dataclasses import replace
from pathlib import Path

import pytest

from roundhouse.core.artifacts import FileName, Plan, PlannedFile, TransferState
from roundhouse.core.errors import DiskError
from roundhouse.core.events import Events
from roundhouse.library import Library
from roundhouse.testing.builders import a_transfer
from roundhouse.testing.clock import FakeClock
from roundhouse.testing.memory import MemoryArtifacts, MemoryTransfers
from roundhouse.upkeep.progress import LiveTransfer
from roundhouse.upkeep.space import Space

PLAN = Plan("hf:a/b", "hf", "a/b", "main", (PlannedFile(FileName("m.gguf"), 1000, None, "x"),))


@pytest.fixture
def space(tmp_path: Path) -> Space:
    """The disk of the tests, of which 10 bytes must stay free; of a plan's own size, a twentieth."""
    return Space(Library(tmp_path, MemoryArtifacts(), Events(), FakeClock()), 10)


def test_what_others_are_promised_is_not_there(space: Space) -> None:
    """To the byte, beside what must stay free."""
    free = space.preview(PLAN).disk_free - (64 << 20)  # the disk is used by others meanwhile
    assert space.preview(PLAN, free).lacking == 0
    crowded = space.preview(PLAN, 1 << 60)
    assert crowded.lacking == 1000 + (1 << 60) + 50 - crowded.disk_free


def test_the_refusal_names_what_is_promised(space: Space) -> None:
    """Otherwise nobody would understand why a disk with room has none."""
    with pytest.raises(DiskError, match=f"{1 << 60:,} are promised to other downloads"):
        space.check(PLAN, 1 << 60, waits=False)


@pytest.mark.parametrize(
    ("state", "promised"),
    [(TransferState.QUEUED, 600), (TransferState.DOWNLOADING, 600), (TransferState.PAUSED, 0)],
)
def test_what_waits_for_its_turn_is_promised_its_room(state: TransferState, promised: int) -> None:
    """What people have paused is not: it asks again when it goes on."""
    row = replace(a_transfer("t1"), state=state, bytes_total=1000, bytes_done=400)
    assert LiveTransfer(row, MemoryTransfers(), FakeClock()).left == promised
