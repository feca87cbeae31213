"""Reading requests in OpenAI's shape: what routing needs, checked; the rest passes unseen.

Knows nothing about who serves. Fields of the wrong type are refused here, by name, so that a client hears the same
from every backend; fields that we do not know are the backend's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import msgspec

from roundhouse.core.errors import SchemaError
from roundhouse.core.inference import Operation, Profile
from roundhouse.gateway.body import check_depth
from roundhouse.routing.profile import profile_of

#: More of them is a mistake or an attack; OpenAI allows 128 tools and 2,048 inputs.
_MAX_TOOLS, _MAX_MESSAGES, _MAX_INPUTS = 1_024, 16_384, 2_048
#: Cohere allows 10,000 documents.
_MAX_DOCUMENTS = 10_000

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
#: One text, several, one list of token ids, or several of those.
_Texts = str | list[str | int | list[int]]


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Asked(msgspec.Struct):
    """What all requests have."""

    model: _Name
    stream: bool | None = None
    stream_options: _StreamOptions | None = None


class _Part(msgspec.Struct):
    type: str


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Part] | None = None


class _Schema(msgspec.Struct):
    #: Some backends take anything else for no schema at all.
    schema: dict[str, object] | None = None


class _Format(msgspec.Struct):
    type: str
    json_schema: _Schema | None = None


class _Chat(_Asked, kw_only=True):
    messages: Annotated[list[_Message], msgspec.Meta(min_length=1, max_length=_MAX_MESSAGES)]
    tools: Annotated[list[dict[str, object]], msgspec.Meta(max_length=_MAX_TOOLS)] | None = None
    functions: Annotated[list[dict[str, object]], msgspec.Meta(max_length=_MAX_TOOLS)] | None = None
    response_format: _Format | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    temperature: float | None = None
    top_p: float | None = None


class _Completion(_Asked, kw_only=True):
    prompt: _Texts
    max_tokens: int | None = None
    n: int | None = None
    temperature: float | None = None
    top_p: float | None = None


class _Embedding(_Asked, kw_only=True):
    input: _Texts
    encoding_format: str | None = None
    dimensions: int | None = None


class _Document(msgspec.Struct):
    text: str


class _Rerank(_Asked, kw_only=True):
    query: Annotated[str, msgspec.Meta(min_length=1)]
    documents: Annotated[list[str | _Document], msgspec.Meta(min_length=1, max_length=_MAX_DOCUMENTS)]
    top_n: Annotated[int, msgspec.Meta(ge=1)] | None = None
    return_documents: bool | None = None


_SHAPES: Mapping[Operation, type[_Asked]] = {
    Operation.CHAT: _Chat,
    Operation.COMPLETION: _Completion,
    Operation.EMBEDDING: _Embedding,
    Operation.RERANK: _Rerank,
}
_STREAMED = frozenset({Operation.CHAT, Operation.COMPLETION})


@dataclass(frozen=True, slots=True)
class Reading:
    """What a body asks for."""

    profile: Profile
    stream: bool
    wants_usage: bool


def read(operation: Operation, body: bytes) -> Reading:
    """Parse *body* once. Raises SchemaError with the field in its details."""
    tree = _parse(body)
    try:
        asked = msgspec.convert(tree, _SHAPES[operation])
    except msgspec.ValidationError as error:
        raise _misfit(str(error)) from None
    if not asked.model.isprintable():
        message = "model: a name has no control characters"
        raise SchemaError(message, details={"param": "model"})
    if isinstance(asked, _Embedding):
        _check_inputs(asked.input)
    options = asked.stream_options
    return Reading(
        profile_of(operation, asked.model, tree, len(body)),
        stream=bool(asked.stream) and operation in _STREAMED,
        wants_usage=options is not None and bool(options.include_usage),
    )


def _parse(body: bytes) -> dict[str, object]:
    """The object that *body* is. Parsers differ about text that is not UTF-8, so none behind us gets to see it."""
    check_depth(body)
    try:
        if not body.isascii():
            body.decode("utf-8")
        tree = msgspec.json.decode(body)
    except UnicodeDecodeError:
        message = "the body is not UTF-8"
        raise SchemaError(message) from None
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        message = f"the body is not valid JSON: {error}"
        raise SchemaError(message) from None
    if not isinstance(tree, dict):
        message = "the body must be a JSON object"
        raise SchemaError(message)
    return tree


def _misfit(complaint: str) -> SchemaError:
    """Say which field does not fit, as the client wrote it; msgspec says ``… - at `$.field```."""
    problem, _, path = complaint.rpartition(" - at `$")
    field = path.rstrip("`").lstrip(".")
    if not problem:
        problem, field = complaint, ""
    if problem.startswith("Object missing required field `"):
        missing = problem.split("`")[1]
        field = f"{field}.{missing}" if field else missing
        problem = "this field is required"
    message = f"{field}: {problem}" if field else problem
    return SchemaError(message, details={"param": field or None})


def _check_inputs(texts: str | list[str | int | list[int]]) -> None:
    """Several inputs may be many; one list of token ids is one input."""
    if isinstance(texts, list) and len(texts) > _MAX_INPUTS and not isinstance(texts[0], int):
        message = f"input: more than {_MAX_INPUTS:,} inputs in one request"
        raise SchemaError(message, details={"param": "input"})
