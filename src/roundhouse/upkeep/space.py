"""What a plan still needs of the disk, and whether it may have it. Everything here blocks."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from roundhouse.core.artifacts import LicenseState, Plan, PlannedFile
from roundhouse.core.errors import DiskError
from roundhouse.library import Library
from roundhouse.transfers import NO_SPACE

#: What the system counts the room of a file in.
_BLOCK = 512


@dataclass(frozen=True, slots=True)
class Preview:
    """What a pull would do."""

    plan: Plan
    #: For each file of the plan, whether its blob is here.
    present: tuple[bool, ...]
    bytes_total: int
    bytes_needed: int
    disk_free: int
    #: Whether its licence is in the way of whoever asked.
    license_state: LicenseState = "unknown"
    #: Bytes of the disk that other transfers are promised, and that must stay free whatever comes.
    disk_promised: int = 0
    disk_kept: int = 0

    @property
    def lacking(self) -> int:
        """Bytes that would have to be freed first."""
        wanted = self.bytes_needed + self.disk_promised + self.disk_kept
        return max(0, wanted - self.disk_free) if self.bytes_needed else 0


class Space:
    """The disk below one library, of which *min_free* bytes must stay free."""

    def __init__(self, library: Library, min_free: int) -> None:
        self._library, self._min_free = library, min_free

    def preview(self, plan: Plan, others: int = 0) -> Preview:
        """What fetching *plan* would take, when *others* bytes are promised already."""
        needed = sum(self._missing(file) for file in plan.files)
        self._library.root.mkdir(parents=True, exist_ok=True)
        return Preview(
            plan=plan,
            present=tuple(file.digest is not None and self._library.blobs.has(file.digest) for file in plan.files),
            bytes_total=sum(file.size or 0 for file in plan.files),
            bytes_needed=needed,
            disk_free=shutil.disk_usage(self._library.root).free,
            disk_promised=others,
            disk_kept=max(self._min_free, needed // 20),
        )

    def _missing(self, file: PlannedFile) -> int:
        """Bytes of *file* that still have to come."""
        if file.digest is None:
            return file.size or 0
        partial = self._library.partials / f"sha256-{file.digest}.part"
        # It may have holes: what counts is the room that it takes already.
        taken = partial.stat().st_blocks * _BLOCK if partial.exists() else 0
        here = self._library.blobs.size(file.digest) or taken
        return max(0, (file.size or 0) - here)

    def check(self, plan: Plan, others: int, *, waits: bool) -> None:
        """Refuse what would fill the disk when *others* bytes are promised already; what *waits* may wait for room.

        Raises DiskError.
        """
        preview = self.preview(plan, others)
        if preview.lacking:
            message = (
                f"{preview.bytes_needed:,} bytes are needed, {preview.disk_free:,} are free, "
                f"{preview.disk_kept:,} must stay free"
            )
            message += f", and {others:,} are promised to other downloads" if others else ""
            what = "`roundhouse models gc --dry-run` says what may go"
            hint = f"free {preview.lacking:,} bytes ({what}), or lower library.min_free"
            details: dict[str, object] = {"needed": preview.bytes_needed, "free": preview.disk_free, "promised": others}
            raise DiskError(message, hint=hint, details=details | ({"reason": NO_SPACE} if waits else {}))
