"""What fetching a model again would cost. Pure; knows nothing about sources but which of them last."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Collection, Sequence

from roundhouse.core.artifacts import Artifact, Digest, Transfer, TransferState
from roundhouse.upkeep.pull import REMOTE

#: Bytes per second, where nothing was fetched yet: a middling line.
DEFAULT_RATE = 10_000_000.0
#: Smaller downloads tell about waiting, not about the line.
_TELLING_BYTES = 16 << 20
#: What cannot be fetched again costs as much as fetching takes in a year.
_FOREVER_S = 365 * 86_400.0


def measured_rate(transfers: Sequence[Transfer]) -> float:
    """Bytes per second that whole downloads came with, the middle one; a guess where there was none."""
    rates = [
        each.bytes_total / seconds
        for each in transfers
        if each.state is TransferState.DONE
        and each.ref.partition(":")[0] in REMOTE
        and (each.bytes_total or 0) >= _TELLING_BYTES
        and (seconds := (each.updated_at - each.created_at).total_seconds()) > 0
        and each.bytes_total is not None
    ]
    return statistics.median(rates) if rates else DEFAULT_RATE


def refetch(
    transfers: Sequence[Transfer], *, offline: bool, quarantined: Collection[Digest] = ()
) -> Callable[[Artifact], tuple[float, str | None]]:
    """Tell of an artifact how many seconds fetching it again takes, and why it may be impossible."""
    rate = measured_rate(transfers)

    def price(artifact: Artifact) -> tuple[float, str | None]:
        why = _irreplaceable(artifact, quarantined, offline=offline)
        return (1.0 + artifact.size / rate + (_FOREVER_S if why else 0.0)), why

    return price


def _irreplaceable(artifact: Artifact, quarantined: Collection[Digest], *, offline: bool) -> str | None:
    if artifact.source not in REMOTE:
        return f"could not be fetched again: it came from {artifact.source}:"
    if any(file.digest in quarantined for file in artifact.files):
        return "could not be fetched again when it was repaired: its bytes are in quarantine"
    return "could not be fetched again: Roundhouse is offline" if offline else None
