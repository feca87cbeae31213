"""What a pull would do and whether it fits, as people are shown it before a byte is fetched. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from roundhouse.core.artifacts import Plan
from roundhouse.core.desks.browse import Memory
from roundhouse.core.views import PullFile, PullPlan
from roundhouse.upkeep import Preview


@dataclass(frozen=True, slots=True)
class Speed:
    """Bytes per second that may be expected, and why; ``None`` when nobody knows."""

    rate: float | None
    source: Literal["limit", "measured"] | None


def pull_plan(preview: Preview, memory: Memory, speed: Speed) -> PullPlan:
    """What a pull would do."""
    plan = preview.plan
    files = zip(plan.files, preview.present, strict=True)
    need = _need(plan, memory)
    return PullPlan(
        model=plan.model,
        source=plan.source,
        revision=plan.revision,
        license=plan.license,
        files=tuple(PullFile(file.name, file.size, file.digest, here) for file, here in files),
        bytes_total=preview.bytes_total,
        bytes_needed=preview.bytes_needed,
        disk_free=preview.disk_free,
        reason=plan.reason,
        license_name=plan.license_name,
        license_url=plan.license_url,
        license_source=plan.license_source,
        license_digest=plan.license_digest,
        license_state=preview.license_state,
        code=plan.code,
        disk_promised=preview.disk_promised,
        disk_kept=preview.disk_kept,
        disk_fits=not preview.lacking,
        memory_need=need,
        memory_limit=None if need is None else memory.limit,
        memory_fits=None if need is None else need <= memory.limit,
        rate=speed.rate,
        rate_from=speed.source,
        duration_s=None if speed.rate is None else preview.bytes_needed / speed.rate,
    )


def _need(plan: Plan, memory: Memory) -> int | None:
    """Bytes that the embedded runtime would take; ``None`` when it is not told enough, or loads no such files."""
    sizes = [file.size for file in plan.files if file.name.lower().endswith(".gguf")]
    known = [size for size in sizes if size is not None]
    return memory.need_of(sum(known), plan.context) if known and len(known) == len(sizes) else None
