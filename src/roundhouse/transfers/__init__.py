"""Bytes on their way in: fetched, hashed, journaled, verified, put in place."""

from roundhouse.transfers.bandwidth import Bandwidth, Throttle, Throttles
from roundhouse.transfers.fetch import NO_SPACE, Fetcher, Landing
from roundhouse.transfers.options import FetchOptions, Watcher
from roundhouse.transfers.retry import Patience, persist
from roundhouse.transfers.settling import settled

__all__ = [
    "NO_SPACE",
    "Bandwidth",
    "FetchOptions",
    "Fetcher",
    "Landing",
    "Patience",
    "Throttle",
    "Throttles",
    "Watcher",
    "persist",
    "settled",
]
