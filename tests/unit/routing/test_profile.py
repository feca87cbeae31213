import json
from collections.abc import Mapping

import pytest

from roundhouse.core.inference import Capability, Operation, Profile
from roundhouse.routing.profile import profile_of


def profile(body: Mapping[str, object], operation: Operation = Operation.CHAT) -> Profile:
    """The profile of a body as it would arrive."""
    return profile_of(operation, "m", body, len(json.dumps(body)))


@pytest.mark.parametrize("operation", Operation)
def test_every_operation_needs_itself(operation: Operation) -> None:
    """The least a deployment must do is what is asked."""
    assert profile({}, operation).needs == {Capability(operation.value)}


@pytest.mark.parametrize(
    ("field", "value", "need"),
    [
        ("tools", [{"type": "function"}], Capability.TOOLS),
        ("functions", [{"name": "f"}], Capability.TOOLS),
        ("response_format", {"type": "json_schema"}, Capability.JSON_SCHEMA),
        ("messages", [{"content": [{"type": "image_url", "image_url": {"url": "u"}}]}], Capability.VISION),
    ],
)
def test_fields_that_not_every_model_understands_are_needs(field: str, value: object, need: Capability) -> None:
    """Tools, schemas and images are needed only where they are used."""
    assert profile({field: value}).needs == {Capability.CHAT, need}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tools", []),
        ("response_format", {"type": "text"}),
        ("response_format", 3),
        ("messages", "hi"),
        ("messages", [3]),
    ],
)
def test_what_is_empty_or_odd_needs_nothing(field: str, value: object) -> None:
    """A field that says nothing, or nothing we understand, refuses nobody."""
    assert profile({field: value}).needs == {Capability.CHAT}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"max_tokens": 7}, 7),
        ({"max_completion_tokens": 8, "max_tokens": 7}, 8),
        ({"max_tokens": None}, None),
        ({"max_tokens": -1}, None),
        ({"max_tokens": "7"}, None),
        ({}, None),
    ],
)
def test_the_answer_is_as_long_as_allowed(body: dict[str, object], expected: int | None) -> None:
    """The newer field wins, and only a positive number is a limit."""
    assert profile(body).max_tokens == expected


def test_tokens_are_estimated_from_bytes() -> None:
    """3,600 bytes are about 1,000 tokens."""
    assert profile_of(Operation.CHAT, "m", {}, 3_600).prompt_tokens == 1_000


def test_an_inline_image_is_not_text() -> None:
    """A megabyte of base64 costs what an image costs."""
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 1_000_000}}
    assert 800 <= profile({"messages": [{"role": "user", "content": [part]}]}).prompt_tokens < 900


def test_inputs_in_one_embedding_request_do_not_add_up() -> None:
    """Each input has the context to itself, so the longest decides."""
    texts = ["a" * 3_600] * 50
    assert profile({"input": texts}, Operation.EMBEDDING).prompt_tokens == pytest.approx(1_000, rel=0.05)


def test_one_list_of_token_ids_is_one_input() -> None:
    """Numbers are the tokens of a single input."""
    assert profile({"input": [101] * 1_000}, Operation.EMBEDDING).prompt_tokens > 1_000


def test_each_document_has_the_context_for_itself() -> None:
    """With the query, as far as it is long: the longest pair is what must fit."""
    documents: list[object] = ["x" * 3600, {"text": "x" * 1800}, "x", 7, {}]
    tokens = profile({"query": "q" * 360, "documents": documents}, Operation.RERANK).prompt_tokens
    assert 1080 <= tokens <= 1120
    assert 0 < profile({"query": "q", "documents": "odd"}, Operation.RERANK).prompt_tokens < 20
