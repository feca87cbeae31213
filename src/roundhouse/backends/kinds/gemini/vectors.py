"""Embeddings: OpenAI's requests as Google's API must get them, and its answers back. Pure.

Traps: a batch has 100 texts at most; older versions do not count tokens; and vectors that were shortened are not of
length one, as OpenAI's always are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from roundhouse.backends.kinds.gemini.failures import failure_in_stream
from roundhouse.backends.kinds.texts import Embedding, read_embedding
from roundhouse.backends.wire.bodies import in_base64
from roundhouse.backends.wire.dimensions import refuse_other
from roundhouse.backends.wire.failures import excerpt
from roundhouse.core.errors import BackendError
from roundhouse.core.inference import Answer, TokenUsage

#: Texts that Google takes at a time.
_BATCH = 100
_NO_ERROR = (b"", b"null", b"{}")


class _Asked(Embedding):
    task_type: str | None = None


class _Vector(msgspec.Struct):
    values: list[float] = []


class _Counted(msgspec.Struct, rename="camel"):
    prompt_token_count: Annotated[int, msgspec.Meta(ge=0, le=1 << 40)] | None = None


class _Embedded(msgspec.Struct, rename="camel"):
    embeddings: list[_Vector] = []
    usage_metadata: _Counted | None = None
    error: msgspec.Raw = msgspec.Raw()


@dataclass(frozen=True, slots=True)
class Texts:
    """What is to be embedded, and how."""

    texts: list[str]
    dimensions: int | None = None
    in_text: bool = False
    #: What the vectors are for, in Google's words.
    task: str | None = None

    def bodies(self, model: str) -> list[tuple[int, bytes]]:
        """How many texts each batch has, and the bytes to send. *model* is the full name, which each text repeats."""
        shared: dict[str, object] = {"model": model}
        if self.dimensions is not None:
            shared["outputDimensionality"] = self.dimensions
        if self.task is not None:
            shared["taskType"] = self.task
        made = []
        for begin in range(0, len(self.texts), _BATCH):
            # A content of its own for each text: the parts of one content become one vector.
            batch = [{**shared, "content": {"parts": [{"text": text}]}} for text in self.texts[begin : begin + _BATCH]]
            made.append((len(batch), msgspec.json.encode({"requests": batch})))
        return made


@dataclass(frozen=True, slots=True)
class Embedded:
    """The vectors of one batch; tokens if somebody counted them."""

    vectors: list[list[float]]
    tokens: int | None


def asked_texts(body: bytes) -> Texts:
    """What an embedding request asks for. Raises SchemaError."""
    given = read_embedding(body, _Asked, "Gemini")
    return Texts(given.texts, given.dimensions, given.in_text, given.task_type)


def read_vectors(data: bytes, count: int, wanted: int | None) -> Embedded:
    """The vectors of *count* texts; those of as many numbers as were *wanted* are made to length one.

    Raises BackendError; SchemaError when they have other numbers.
    """
    try:
        found = msgspec.json.decode(data, type=_Embedded)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        message = f"that is not what Google answers ({error}): {excerpt(data)}"
        raise BackendError(message) from error
    if bytes(found.error) not in _NO_ERROR:
        raise failure_in_stream(data)
    vectors = [each.values for each in found.embeddings]
    if len(vectors) != count or not all(vectors):
        message = f"{count} texts were to be embedded, and {sum(map(bool, vectors))} were"
        raise BackendError(message)
    if wanted is not None:
        refuse_other(map(len, vectors), wanted)
        vectors = [_of_length_one(each) for each in vectors]
    return Embedded(vectors, found.usage_metadata.prompt_token_count if found.usage_metadata is not None else None)


def embedding_answer(batches: Sequence[Embedded], model: str, *, in_text: bool) -> Answer:
    """The answer in OpenAI's shape."""
    vectors = [vector for batch in batches for vector in batch.vectors]
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    counts = [batch.tokens for batch in batches if batch.tokens is not None]
    prompt = sum(counts)
    whole = msgspec.json.encode({
        "object": "list", "model": model, "data": data, "usage": {"prompt_tokens": prompt, "total_tokens": prompt}
    })  # fmt: skip
    usage = TokenUsage(prompt) if counts else None
    return Answer(in_base64(whole) if in_text else whole, usage=usage)


def _of_length_one(vector: list[float]) -> list[float]:
    length = math.hypot(*vector)
    if not math.isfinite(length) or length == 0:
        return vector
    return [number / length for number in vector]
