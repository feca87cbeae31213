"""A request for inference, the deployments that may serve it, and what comes back.

Knows nothing about HTTP, dialects or how a choice is made. The canonical body and the canonical
chunk are OpenAI's JSON: it is what nearly every backend speaks, so most bytes pass untouched.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from roundhouse.core.runtimes import UNTOLD, Traits


class Operation(StrEnum):
    """What is asked of a model."""

    CHAT = "chat"
    COMPLETION = "completion"
    EMBEDDING = "embedding"
    RERANK = "rerank"


class Capability(StrEnum):
    """What a deployment can do; a request needs a set of them."""

    CHAT = "chat"
    COMPLETION = "completion"
    EMBEDDING = "embedding"
    TOOLS = "tools"
    VISION = "vision"
    JSON_SCHEMA = "json_schema"
    THINKING = "thinking"
    RERANK = "rerank"


class Residency(StrEnum):
    """Whether the weights are in memory."""

    LOADED = "loaded"
    COLD = "cold"
    UNKNOWN = "unknown"


class CacheUse(StrEnum):
    """What a client says about answers that were given before."""

    #: They will do where the same question is answered the same anyway.
    AUTO = "auto"
    #: They will do for this question, too.
    ON = "on"
    #: They will not do, and this one is not to be kept.
    OFF = "off"
    #: They will not do; this one takes their place.
    REFRESH = "refresh"


@dataclass(frozen=True, slots=True)
class Price:
    """USD per token. Zero is free (our own machine); ``None`` for the whole price is unknown."""

    input_per_token: float
    output_per_token: float

    def of(self, usage: TokenUsage) -> float:
        """What *usage* costs, in USD."""
        return self.input_per_token * usage.prompt + self.output_per_token * usage.completion


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens as the backend counted them; cached prompt tokens are inside *prompt* (OpenAI's rule)."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    #: What the backend itself says that it charged; it knows of discounts that no price list has.
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Deployment:
    """One model at one backend: the unit of routing. Its id is ``backend/model``."""

    backend: str
    model: str
    #: The name that the backend itself knows the model by.
    upstream: str
    capabilities: frozenset[Capability]
    #: Tokens that fit, prompt and answer together; ``None`` when the backend does not tell.
    context: int | None = None
    price: Price | None = None
    residency: Residency = Residency.UNKNOWN
    #: True when the request does not leave this machine.
    local: bool = False
    #: Why it may not serve whatever is asked, in words that follow its name: its licence. ``None`` when it may.
    barred: str | None = None
    #: What else is known of it.
    traits: Traits = UNTOLD

    @property
    def id(self) -> str:
        """``backend/model``, unique, and accepted wherever a model name is."""
        return f"{self.backend}/{self.model}"


@dataclass(frozen=True, slots=True)
class Profile:
    """A request as analysed: all that routing may look at."""

    operation: Operation
    model: str
    needs: frozenset[Capability]
    #: Estimated from bytes; the backend's own count is the truth afterwards.
    prompt_tokens: int
    max_tokens: int | None = None


#: The priority of requests that do not say; from 0 to 100, and the higher the sooner.
NORMAL = 50


@dataclass(frozen=True, slots=True)
class InferenceRequest:
    """One request: the body as the client sent it (a JSON object in OpenAI's shape) and its profile."""

    id: str
    profile: Profile
    body: bytes
    stream: bool = False
    #: The client asked for the usage chunk itself (``stream_options.include_usage``).
    wants_usage: bool = False
    #: Seconds the whole request may take.
    timeout_s: float = 600.0
    principal: str = "local"
    #: How it stands to others that wait for the same backend.
    priority: int = NORMAL
    cache: CacheUse = CacheUse.AUTO
    #: The nodes of ours that passed it on, the first one first.
    hops: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """One event of a streamed answer: a JSON object in OpenAI's chunk shape."""

    data: bytes
    #: Carries something a person would see (text, tool call, reasoning, refusal): the point of no return.
    visible: bool = False
    #: Carries a finish reason: the answer is complete even if the connection ends now.
    final: bool = False
    usage: TokenUsage | None = None
    #: Nothing but usage (``choices: []``): sent on only to clients that asked.
    usage_only: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: a JSON object in OpenAI's shape, ready to be sent."""

    data: bytes
    usage: TokenUsage | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


#: What a backend returns for a streamed request. Closing it (``aclose``) cancels upstream work.
ChunkStream = AsyncIterator[Chunk]
