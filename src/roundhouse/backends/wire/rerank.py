"""Documents put in order, in the one shape that Jina, Cohere, vLLM, LiteLLM and llama-server nearly share.

What they do differently is made the same here: documents may come as texts or objects, are sent as texts, and come back
only to those who asked for them; the best is first. Knows nothing about sockets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from roundhouse.backends.wire.chunks import read_answer
from roundhouse.backends.wire.failures import excerpt
from roundhouse.core.errors import BackendError, SchemaError
from roundhouse.core.inference import Answer, Operation, TokenUsage


class _Text(msgspec.Struct):
    text: str


class _Asked(msgspec.Struct):
    query: str
    documents: Annotated[list[str | _Text], msgspec.Meta(min_length=1)]
    top_n: Annotated[int, msgspec.Meta(ge=1)] | None = None
    return_documents: bool | None = None


class _Result(msgspec.Struct):
    index: int
    relevance_score: float


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    total_tokens: int | None = None


class _Tokens(msgspec.Struct):
    input_tokens: int | None = None


class _Billed(msgspec.Struct):
    total_tokens: int | None = None


class _Meta(msgspec.Struct):
    """Where Cohere counts, and LiteLLM after it."""

    tokens: _Tokens | None = None
    billed_units: _Billed | None = None


class _Given(msgspec.Struct):
    results: list[_Result]
    model: str | None = None
    usage: _Usage | None = None
    meta: _Meta | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked."""

    #: The body as every backend understands it.
    body: bytes
    texts: Sequence[str]
    #: How many are wanted; ``None`` is all.
    top_n: int | None
    with_documents: bool


def read(body: bytes) -> Question:
    """Read what *body* asks. Raises SchemaError."""
    try:
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        asked = msgspec.json.decode(body, type=_Asked)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        message = f"that is no question about documents: {error}"
        raise SchemaError(message) from error
    texts = [each if isinstance(each, str) else each.text for each in asked.documents]
    fields["documents"] = msgspec.Raw(msgspec.json.encode(texts))
    # They would only come back over the wire: we have them.
    fields.pop("return_documents", None)
    return Question(msgspec.json.encode(fields), texts, asked.top_n, bool(asked.return_documents))


def answered(data: bytes, question: Question) -> Answer:
    """The answer in the order of relevance. Raises BackendError, and whatever *data* says under a friendly status."""
    read_answer(data, Operation.RERANK)
    try:
        given = msgspec.json.decode(data, type=_Given)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        message = f"the order of the documents cannot be read ({error}): {excerpt(data)}"
        raise BackendError(message) from error
    places = [result.index for result in given.results]
    if len(set(places)) != len(places) or not all(0 <= place < len(question.texts) for place in places):
        message = "it orders documents that nobody sent, or one of them twice"
        raise BackendError(message)
    best = sorted(given.results, key=lambda result: -result.relevance_score)[: question.top_n]
    prompt = _prompt(given)
    whole: dict[str, object] = {"object": "list", "results": [_shown(result, question) for result in best]}
    whole |= {} if given.model is None else {"model": given.model}
    whole |= {} if prompt is None else {"usage": {"prompt_tokens": prompt, "total_tokens": prompt}}
    return Answer(msgspec.json.encode(whole), usage=None if prompt is None else TokenUsage(prompt=prompt))


def _shown(result: _Result, question: Question) -> dict[str, object]:
    shown: dict[str, object] = {"index": result.index, "relevance_score": result.relevance_score}
    return {**shown, "document": {"text": question.texts[result.index]}} if question.with_documents else shown


def _prompt(given: _Given) -> int | None:
    """Tokens that were read, wherever they are counted."""
    usage, meta = given.usage or _Usage(), given.meta or _Meta()
    counts = (
        usage.prompt_tokens,
        usage.total_tokens,
        meta.tokens.input_tokens if meta.tokens else None,
        meta.billed_units.total_tokens if meta.billed_units else None,
    )
    return next((count for count in counts if count is not None), None)
