"""Whether a pull fits, before a byte is fetched."""

from dataclasses import replace

import pytest

from roundhouse.app.desks.plans import Speed, pull_plan
from roundhouse.core.artifacts import FileName, Plan, PlannedFile
from roundhouse.core.desks.browse import Memory
from roundhouse.upkeep import Preview

MEMORY = Memory(1000, lambda size, context: size * 2 + (context or 0))


def a_preview(name: str = "m.gguf", size: int | None = 400, **fields: int) -> Preview:
    """One file on a disk with 1,000 bytes left."""
    plan = Plan("hf:a/b", "hf", "a/b", "main", (PlannedFile(FileName(name), size, None, "x"),), context=100)
    whole = Preview(plan, (False,), size or 0, size or 0, 1000)
    return replace(whole, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("promised", "kept", "needed", "fits"), [(0, 600, 400, True), (1, 600, 400, False), (900, 900, 0, True)]
)
def test_the_disk_holds_what_others_are_promised(promised: int, kept: int, needed: int, *, fits: bool) -> None:
    """To the byte; what is here already always fits."""
    preview = a_preview(disk_promised=promised, disk_kept=kept, bytes_needed=needed)
    assert pull_plan(preview, MEMORY, Speed(None, None)).disk_fits is fits


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [
        ("m.gguf", 400, (900, 1000, True)),
        ("M.GGUF", 500, (1100, 1000, False)),
        ("m.gguf", None, (None, None, None)),
        ("model.safetensors", 400, (None, None, None)),
    ],
)
def test_memory_is_reckoned_by_the_runtimes_own_rule(
    name: str, size: int | None, expected: tuple[int | None, int | None, bool | None]
) -> None:
    """With the context that the model was trained on; what the runtime does not load needs nothing of it."""
    plan = pull_plan(a_preview(name, size), MEMORY, Speed(None, None))
    assert (plan.memory_need, plan.memory_limit, plan.memory_fits) == expected


def test_time_is_told_when_a_rate_is_known() -> None:
    """And is unknown otherwise: nobody guesses."""
    known = pull_plan(a_preview(), MEMORY, Speed(100.0, "limit"))
    unknown = pull_plan(a_preview(), MEMORY, Speed(None, None))
    assert (known.duration_s, known.rate_from, unknown.duration_s, unknown.rate) == (4.0, "limit", None, None)
