"""What makes two requests the same: everything that may change the answer, and nothing else. Knows no cache.

The key of an answer has two halves: what was asked, and of whom. The second one is looked up for whoever would serve
now, so that an alias that moves, or new weights under an old name, never bring an old answer back.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256

from roundhouse.core.inference import Deployment, InferenceRequest

#: How answers are sent, who asks and what they call it: nothing of it is seen in the answer. The model is the other
#: half's business.
_IRRELEVANT = (
    "stream",
    "stream_options",
    "user",
    "metadata",
    "safety_identifier",
    "prompt_cache_key",
    "store",
    "model",
)
#: Changes when keys or what is kept under them change their meaning.
_VERSION = "1"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, without whom."""

    #: Hex, over the operation and the body.
    digest: str
    #: The same question would be answered the same: it is sampled greedily, or from a seed.
    deterministic: bool
    #: The body as it was read.
    body: dict[str, object]


def may_be_deterministic(body: bytes) -> bool:
    """Whether *body* is worth reading: one that never says what makes an answer repeatable is not."""
    return b'"temperature"' in body or b'"seed"' in body


def question_of(request: InferenceRequest) -> Question | None:
    """Read what *request* asks; ``None`` when readers may differ about it, so that no answer to it can be kept."""
    try:
        body = json.loads(request.body, object_pairs_hook=_unambiguous)
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict):
        return None
    return Question(digest_of(request.profile.operation, body), _is_deterministic(body), body)


def digest_of(operation: str, body: dict[str, object]) -> str:
    """Name what *body* asks."""
    asked = {name: value for name, value in body.items() if name not in _IRRELEVANT}
    # ASCII, so that whatever text is in there has one form; and 1, 1.0 and true are three different things.
    canonical = json.dumps([_VERSION, operation, asked], sort_keys=True, separators=(",", ":"))
    return sha256(canonical.encode("ascii")).hexdigest()


def key_of(question: str, deployment: Deployment) -> str:
    """Name the answer of *deployment* to a question."""
    traits = deployment.traits
    # The same weights under the same name answer the same wherever they are; of others nobody knows, and what
    # another node says of its weights is only its word: what it answers must never be taken for an answer of ours.
    whom: tuple[str | None, ...]
    if traits.digest is not None and not traits.is_passed_on:
        whom = ("weights", deployment.model, traits.digest, traits.quantization)
    else:
        whom = ("place", deployment.backend, deployment.upstream, traits.quantization, traits.digest)
    named = whom if traits.variant is None else (*whom, traits.variant)
    return sha256(json.dumps([question, named]).encode("ascii")).hexdigest()


def _is_deterministic(body: dict[str, object]) -> bool:
    temperature, seed = body.get("temperature"), body.get("seed")
    greedy = isinstance(temperature, int | float) and not isinstance(temperature, bool) and temperature == 0
    return greedy or (isinstance(seed, int) and not isinstance(seed, bool))


def _unambiguous(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Refuse a name that stands twice: we would read the last value, and the backend perhaps the first."""
    tree = dict(pairs)
    if len(tree) != len(pairs):
        message = "a name stands twice"
        raise ValueError(message)
    return tree
