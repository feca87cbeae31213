"""Why a request goes where it goes, as people see it: field names are the keys of the JSON under ``/api/v1``."""

from collections.abc import Mapping
from dataclasses import dataclass

from roundhouse.core.inference import Operation
from roundhouse.core.views import TokenPrice


@dataclass(frozen=True, slots=True)
class RouteQuestion:
    """A request that is to be routed but not served: any body in OpenAI's shape."""

    model: str
    operation: Operation
    #: The JSON object as it came, ``model`` included.
    body: Mapping[str, object]
    #: Bytes of it, for the estimate of tokens.
    size: int


@dataclass(frozen=True, slots=True)
class Factor:
    """One reason for a score."""

    #: 0 to 1; more is better.
    value: float
    weight: float
    points: float


@dataclass(frozen=True, slots=True)
class CandidateView:
    """A deployment that may serve, and how well."""

    id: str
    rank: int
    score: float
    factors: Mapping[str, Factor]
    residency: str
    price: TokenPrice | None
    context: int | None
    #: Whose weights it has, when it answers for a name that is not its own.
    joined: str | None = None


@dataclass(frozen=True, slots=True)
class RefusalView:
    """A deployment that may not serve, and why."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class ProfileView:
    """A request as routing sees it."""

    model: str
    operation: str
    needs: tuple[str, ...]
    prompt_tokens: int
    max_tokens: int | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Who would serve a request (or did), in order, and why the others would not."""

    route_id: str
    profile: ProfileView
    #: The id of the first in line; ``None`` when there is none.
    chosen: str | None
    candidates: tuple[CandidateView, ...]
    refused: tuple[RefusalView, ...]
    error: Mapping[str, object] | None = None
