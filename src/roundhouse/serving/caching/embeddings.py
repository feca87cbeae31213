"""Embeddings input by input: those that are known are taken, the others asked for. Knows nothing about who serves."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import msgspec

from roundhouse.core.inference import Answer, Deployment, InferenceRequest, Operation, TokenUsage
from roundhouse.core.ports import Cache
from roundhouse.serving.attempts import Served
from roundhouse.serving.caching.keys import Question, digest_of, key_of

Ask = Callable[[InferenceRequest], Awaitable[tuple[Served, Answer]]]


class _Embedding(msgspec.Struct):
    """One of a list; its numbers pass unread."""

    embedding: msgspec.Raw
    index: int
    object: str = "embedding"


class _Embeddings(msgspec.Struct):
    data: list[_Embedding]
    model: str = ""
    usage: dict[str, Any] = msgspec.field(default_factory=lambda: {"prompt_tokens": 0, "total_tokens": 0})
    object: str = "list"


@dataclass(frozen=True, slots=True)
class Kept:
    """One embedding, under the key that it was kept under."""

    key: str
    model: str
    embedding: bytes


_encode = msgspec.msgpack.encode
_kept = msgspec.msgpack.Decoder(Kept)
_answers = msgspec.json.Decoder(_Embeddings)


@dataclass(frozen=True, slots=True)
class Batch:
    """The inputs of one request."""

    inputs: tuple[object, ...]
    #: The questions behind them: each with all that is asked besides.
    questions: tuple[str, ...]
    body: dict[str, object]


def batch_of(question: Question) -> Batch | None:
    """The inputs of *question*; ``None`` when it has none that could be kept."""
    given = question.body.get("input")
    inputs = _inputs(given)
    if not inputs:
        return None
    rest = {name: value for name, value in question.body.items() if name != "input"}
    base = digest_of(Operation.EMBEDDING, rest)
    return Batch(
        inputs, tuple(sha256(f"{base}{json.dumps(each)}".encode("ascii")).hexdigest() for each in inputs), rest
    )


def _inputs(given: object) -> tuple[object, ...]:
    """One text or one list of token ids is one input; a list of those is several."""
    if isinstance(given, list) and given and not isinstance(given[0], int):
        return tuple(given)
    return (given,) if isinstance(given, str | list) and given else ()


class EmbeddingCache:
    """Embeddings that were computed before, of one cache."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    async def known(self, tenant: str, batch: Batch, deployment: Deployment) -> list[Kept | None]:
        """What *deployment* said before about each input."""
        keys = [key_of(question, deployment) for question in batch.questions]
        found = await self._cache.get(tenant, keys)
        return [_read(key, kept) for key, kept in zip(keys, found, strict=True)]


@dataclass(frozen=True, slots=True)
class Filled:
    """An answer with nothing missing, and what of it is new and to be kept."""

    served: Served
    answer: Answer
    entries: dict[str, bytes]


async def fill(
    request: InferenceRequest, batch: Batch, known: Sequence[Kept | None], best: Deployment, ask: Ask
) -> Filled:
    """Ask for those that are not *known* of *best*, and put all together. Raises what *ask* raises."""
    missing = [number for number, kept in enumerate(known) if kept is None]
    if len(missing) == len(known):
        served, answer = await ask(request)
        return Filled(served, answer, _entries(batch, missing, served.deployment, _read_answer(answer, len(missing))))
    served, answer = await ask(_smaller(request, batch, missing))
    fresh = _read_answer(answer, len(missing))
    if fresh is None or key_of("", served.deployment) != key_of("", best):
        # Somebody else answered: vectors of two models say nothing about each other, so all are asked for anew.
        again = replace(request, id=f"{request.id}-all")
        return await fill(again, batch, [None] * len(known), best, ask)
    merged = _merged(known, missing, fresh, answer.usage)
    return Filled(served, merged, _entries(batch, missing, served.deployment, fresh))


def _entries(
    batch: Batch, numbers: Sequence[int], deployment: Deployment, fresh: _Embeddings | None
) -> dict[str, bytes]:
    if fresh is None:
        return {}
    keys = [key_of(batch.questions[number], deployment) for number in numbers]
    return {
        key: _encode(Kept(key, fresh.model, bytes(each.embedding))) for key, each in zip(keys, fresh.data, strict=True)
    }


def all_known(known: Sequence[Kept | None]) -> Answer | None:
    """The answer, when every input is known. Nothing was used for it, and it says so."""
    return None if None in known else _merged(known, (), _Embeddings([]), None)


def _smaller(request: InferenceRequest, batch: Batch, missing: Sequence[int]) -> InferenceRequest:
    """The same request for some of its inputs."""
    body = json.dumps({**batch.body, "input": [batch.inputs[number] for number in missing]}).encode("ascii")
    # The tokens of its profile are those of the longest input, which may be among them.
    return replace(request, body=body)


def _merged(
    known: Sequence[Kept | None], missing: Sequence[int], fresh: _Embeddings, usage: TokenUsage | None
) -> Answer:
    came = {number: each.embedding for number, each in zip(missing, fresh.data, strict=True)}
    model, data = fresh.model, []
    for number, kept in enumerate(known):
        if kept is not None:
            model = model or kept.model
        vector = came[number] if kept is None else msgspec.Raw(kept.embedding)
        data.append(_Embedding(vector, number))
    whole = _Embeddings(data, model, fresh.usage)
    return Answer(msgspec.json.encode(whole), usage or TokenUsage())


def _read_answer(answer: Answer, expected: int) -> _Embeddings | None:
    """The embeddings in the order of their inputs; ``None`` when there is not one for each."""
    try:
        tree = _answers.decode(answer.data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    tree.data.sort(key=lambda each: each.index)
    return tree if [each.index for each in tree.data] == list(range(expected)) else None


def _read(key: str, kept: bytes | None) -> Kept | None:
    if kept is None:
        return None
    try:
        known = _kept.decode(kept)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return known if known.key == key else None
