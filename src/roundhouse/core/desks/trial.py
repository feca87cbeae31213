"""Trying a backend, as people ask for it and see it: field names are the keys of the JSON under ``/api/v1``."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Trial:
    """How hard to try a backend."""

    #: Have a model count to 20, which may cost money.
    prompt: bool = False
    #: Which; ``None`` is the first that can chat, best one whose weights are in memory.
    model: str | None = None
    #: Keep how quick that was as the model's baseline, also when it has one.
    baseline: bool = False


@dataclass(frozen=True, slots=True)
class BackendTest:
    """What a backend said when it was tried."""

    name: str
    ok: bool
    detail: str
    latency_ms: float | None
    deployments: tuple[str, ...]
    #: What a model answered that was asked to count to 20, and which; ``None`` when none was asked.
    reply: str | None = None
    model: str | None = None
    #: Whether it did; ``unsure`` when it was cut, or said nothing.
    verdict: Literal["right", "wrong", "unsure"] | None = None
    first_token_ms: float | None = None
    #: After the first token.
    tokens_per_s: float | None = None
    #: Tokens per second of the baseline there was, and that speed as a share of it; ``None`` when there was none.
    usual: float | None = None
    pace: float | None = None
    #: It was kept as the baseline that later calls are compared with.
    baseline: bool = False
