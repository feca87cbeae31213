"""Who serves a model, and what that takes, as ``models show`` says it. Knows nothing about where it was asked."""

from __future__ import annotations

from collections.abc import Iterator

from roundhouse.cli import wording
from roundhouse.cli.output import Cell, Column, Table
from roundhouse.core.desks.placing import MemoryNeed
from roundhouse.core.views import DeploymentView, ModelDetail

_COLUMNS = (
    Column("deployment"),
    Column("state"),
    Column("context", right=True),
    Column("slots", right=True, drop=4),
    Column("memory", right=True, drop=3),
    Column("loads in", right=True, drop=5),
    Column("can do", drop=1),
    Column("price in/out", drop=2),
)


def served_by(model: ModelDetail) -> Table:
    """Its deployments, one a line."""
    return Table(_COLUMNS, [_row(one) for one in model.served_by], title="served by")


def _row(one: DeploymentView) -> list[Cell | str]:
    return [
        one.id,
        one.residency,
        Cell("-" if one.context is None else f"{one.context:,}", one.context or ""),
        str(one.slots or "-"),
        Cell(wording.size(one.memory), "" if one.memory is None else one.memory),
        Cell("-" if one.load_s is None else f"{one.load_s:.1f} s", "" if one.load_s is None else one.load_s),
        ", ".join(one.capabilities),
        "-" if one.price is None else f"{wording.money(one.price.input)} / {wording.money(one.price.output)} per M",
    ]


def warnings_of(model: ModelDetail) -> Iterator[str]:
    """What a person should know of its deployments, one sentence each."""
    return (f"{one.id}: {warning}" for one in model.served_by for warning in one.warnings)


def memory_facts(need: MemoryNeed | None) -> list[tuple[str, Cell | str | None]]:
    """What loading it takes, and of what that is made."""
    if need is None:
        return []
    about = "" if need.from_header else "about "
    parts = f"weights {wording.size(need.weights)}, context {wording.size(need.cache)}"
    slots = f"{need.parallel} x {need.context:,} tokens"
    buffers = f", buffers {wording.size(need.buffers)}" if need.buffers else ""
    return [
        ("in memory", Cell(f"{about}{wording.size(need.total)} of {wording.size(need.limit)}", need.total)),
        ("", f"{parts} ({slots}){buffers}"),
    ]
