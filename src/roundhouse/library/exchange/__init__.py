"""The registry going out and coming in: one JSON document, alone or at the head of a tar with the bytes."""

from roundhouse.library.exchange.exchange import Exchange
from roundhouse.library.exchange.merge import Verdict

__all__ = ["Exchange", "Verdict"]
