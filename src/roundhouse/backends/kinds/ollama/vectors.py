"""Embeddings in OpenAI's words and in Ollama's. Pure; knows nothing about HTTP.

The numbers are passed on as they were written: none is read, so none is rounded.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from roundhouse.backends.kinds.texts import Embedding, read_embedding
from roundhouse.backends.wire.bodies import in_base64
from roundhouse.backends.wire.embedding_cache import Vector
from roundhouse.backends.wire.failures import error_in_stream, excerpt
from roundhouse.backends.wire.figures import of_nanoseconds
from roundhouse.core.errors import BackendError
from roundhouse.core.inference import Answer, TokenUsage

_BYTES_PER_TOKEN = 3
_NO_ERROR = (b"", b"null", b'""')


class _Embedded(msgspec.Struct):
    embeddings: list[msgspec.Raw] | None = None
    load_duration: int = 0
    prompt_eval_count: int = 0
    error: msgspec.Raw = msgspec.Raw()


def asked_texts(body: bytes) -> Embedding:
    """What a client wants embedded. Raises SchemaError."""
    return read_embedding(body, Embedding, "Ollama")


def estimate(text: str) -> int:
    """Tokens of *text*, rather too many."""
    return len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN + 2


def read_vectors(data: bytes, texts: Sequence[str]) -> tuple[list[Vector], float]:
    """One vector for each text, and the seconds that went into loading. Raises BackendError."""
    try:
        found = msgspec.json.decode(data, type=_Embedded)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        message = f"that is not what Ollama answers ({error}): {excerpt(data)}"
        raise BackendError(message) from error
    if bytes(found.error) not in _NO_ERROR:
        raise error_in_stream(data)
    numbers = [bytes(each) for each in found.embeddings or ()]
    if len(numbers) != len(texts) or not all(each.startswith(b"[") for each in numbers):
        message = f"{len(texts)} texts were to be embedded, and {len(numbers)} were"
        raise BackendError(message)
    shares = shared(found.prompt_eval_count, [len(text) for text in texts])
    return [Vector(*pair) for pair in zip(numbers, shares, strict=True)], of_nanoseconds(found.load_duration)


def shared(tokens: int, lengths: Sequence[int]) -> list[int]:
    """*tokens* counted for all, divided by the lengths of each; the sum stays the same."""
    whole, shares, given, seen = sum(lengths) or 1, [], 0, 0
    for length in lengths:
        seen += length
        until = tokens * seen // whole
        shares.append(until - given)
        given = until
    return shares


def embedding_answer(vectors: Sequence[Vector], model: str, cached: int, *, in_text: bool) -> Answer:
    """The answer in OpenAI's shape; tokens that were known before are counted as cached."""
    data = [
        {"object": "embedding", "index": index, "embedding": msgspec.Raw(vector.numbers)}
        for index, vector in enumerate(vectors)
    ]
    prompt = sum(vector.tokens for vector in vectors)
    usage: dict[str, object] = {"prompt_tokens": prompt, "total_tokens": prompt}
    if cached:
        usage["prompt_tokens_details"] = {"cached_tokens": cached}
    whole = msgspec.json.encode({"object": "list", "model": model, "data": data, "usage": usage})
    return Answer(in_base64(whole) if in_text else whole, usage=TokenUsage(prompt, 0, cached))
