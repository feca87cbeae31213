import json
from typing import Any

import pytest

from roundhouse.core.errors import SchemaError
from roundhouse.core.inference import Capability, Operation
from roundhouse.gateway.openai import Reading, read

USER = {"role": "user", "content": "hello"}
CHAT: dict[str, Any] = {"model": "tiny", "messages": [USER]}


def chat(**fields: object) -> Reading:
    """Read a chat request with some fields changed."""
    return read(Operation.CHAT, json.dumps({**CHAT, **fields}).encode())


def complaint(operation: Operation, body: bytes) -> SchemaError:
    """What is wrong with *body*."""
    with pytest.raises(SchemaError) as caught:
        read(operation, body)
    return caught.value


def test_plain_chat() -> None:
    """The least there can be."""
    reading = chat()
    assert (reading.profile.model, reading.stream, reading.wants_usage) == ("tiny", False, False)
    assert reading.profile.needs == {Capability.CHAT}


def test_stream_with_usage() -> None:
    """Who asks for usage gets it."""
    reading = chat(stream=True, stream_options={"include_usage": True, "include_obfuscation": False})
    assert (reading.stream, reading.wants_usage) == (True, True)


@pytest.mark.parametrize("fields", [{"stream": None, "stream_options": None}, {"tools": None}, {"max_tokens": None}])
def test_null_is_absent(fields: dict[str, object]) -> None:
    """Clients write null for what they leave out."""
    assert not chat(**fields).stream


def test_tools_are_a_need() -> None:
    """Only a deployment that can call tools may serve."""
    assert Capability.TOOLS in chat(tools=[{"type": "function", "function": {"name": "f"}}]).profile.needs


def test_pictures_are_a_need() -> None:
    """Only a deployment that sees may serve."""
    content = [{"type": "text", "text": "?"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
    assert Capability.VISION in chat(messages=[{"role": "user", "content": content}]).profile.needs


def test_schema_is_a_need() -> None:
    """Only a deployment that can hold a schema may serve."""
    assert Capability.JSON_SCHEMA in chat(response_format={"type": "json_schema", "json_schema": {}}).profile.needs


@pytest.mark.parametrize(
    "messages",
    [
        [
            {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
            {"role": "tool", "content": "x", "tool_call_id": "1"},
        ],
        [{"role": "developer", "content": []}],
        [{"role": "made-up", "content": "x", "future": {"a": [1]}}],
        [{"role": "user", "content": [{"type": "future", "what": 1}]}],
    ],
)
def test_messages_of_every_kind_pass(messages: list[object]) -> None:
    """What we do not know is the backend's business."""
    assert chat(messages=messages).profile.model == "tiny"


@pytest.mark.parametrize("texts", ["a", ["a", "b"], [1, 2, 3], [[1, 2], [3]], ["a"] * 2048, list(range(5000))])
def test_inputs_of_every_kind(texts: object) -> None:
    """Text, texts, token ids, several of those."""
    body = json.dumps({"model": "tiny", "input": texts, "encoding_format": "base64"}).encode()
    assert read(Operation.EMBEDDING, body).profile.needs == {Capability.EMBEDDING}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": 5}, "model"),
        ({"model": ""}, "model"),
        ({"model": "x" * 600}, "model"),
        ({"model": "a\x00b"}, "model"),
        ({"model": None}, "model"),
        ({"messages": "hello"}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [5]}, "messages[0]"),
        ({"messages": [USER, {"content": "x"}]}, "messages[1].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [5]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"text": "?"}]}]}, "messages[0].content[0].type"),
        ({"messages": [USER] * 20_000}, "messages"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": True}, "stream_options"),
        ({"tools": {}}, "tools"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": []}}},
            "response_format.json_schema.schema",
        ),
        ({"tools": [1]}, "tools[0]"),
        ({"tools": [{}] * 10_000}, "tools"),
        ({"response_format": "json"}, "response_format"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"max_completion_tokens": 1.5}, "max_completion_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"n": []}, "n"),
    ],
)
def test_wrong_types_are_named(fields: dict[str, object], param: str) -> None:
    """A client hears which field is wrong, the same from every backend."""
    error = complaint(Operation.CHAT, json.dumps({**CHAT, **fields}).encode())
    assert param == error.details["param"]
    assert error.message.startswith(f"{param}: ")


@pytest.mark.parametrize(
    ("operation", "body", "param"),
    [
        (Operation.CHAT, {"messages": [USER]}, "model"),
        (Operation.CHAT, {"model": "tiny"}, "messages"),
        (Operation.COMPLETION, {"model": "tiny"}, "prompt"),
        (Operation.COMPLETION, {"model": "tiny", "prompt": {"a": 1}}, "prompt"),
        (Operation.EMBEDDING, {"model": "tiny", "input": None}, "input"),
        (Operation.EMBEDDING, {"model": "tiny", "input": [{}]}, "input[0]"),
        (Operation.EMBEDDING, {"model": "tiny", "input": ["a"] * 2049}, "input"),
        (Operation.EMBEDDING, {"model": "tiny", "input": "a", "dimensions": "many"}, "dimensions"),
        (Operation.RERANK, {"model": "tiny", "documents": ["a"]}, "query"),
        (Operation.RERANK, {"model": "tiny", "query": "", "documents": ["a"]}, "query"),
        (Operation.RERANK, {"model": "tiny", "query": "a"}, "documents"),
        (Operation.RERANK, {"model": "tiny", "query": "a", "documents": []}, "documents"),
        (Operation.RERANK, {"model": "tiny", "query": "a", "documents": [7]}, "documents[0]"),
        (Operation.RERANK, {"model": "tiny", "query": "a", "documents": [{}]}, "documents[0].text"),
        (Operation.RERANK, {"model": "tiny", "query": "a", "documents": ["b"] * 10_001}, "documents"),
        (Operation.RERANK, {"model": "tiny", "query": "a", "documents": ["b"], "top_n": 0}, "top_n"),
    ],
)
def test_what_each_operation_needs(operation: Operation, body: object, param: str) -> None:
    """Required fields, and what may be in them."""
    assert param == complaint(operation, json.dumps(body).encode()).details["param"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nope",
        b"[]",
        b'"text"',
        b"5",
        b"null",
        b"\xff\xfe",
        b'{"model": "\xff"}',
        b"\xef\xbb\xbf{}",
        b"{} {}",
        b'{"model": "tiny", "messages": [}',
        b'{"a": NaN}',
        b'{"a": "\\ud800"}',
        b"[" * 10_000,
        b'{"a":' * 100_000,
        b'{"a": ' + b"9" * 1_000_000 + b"}",
        b"\x00" * 100,
    ],
)
@pytest.mark.parametrize("operation", list(Operation))
def test_what_is_no_request_is_refused(operation: Operation, body: bytes) -> None:
    """Whatever bytes come, the answer is an error of the client's."""
    assert complaint(operation, body).status == 422


def test_large_numbers_in_unknown_fields_pass() -> None:
    """What we do not look at cannot break us."""
    assert chat(seed=2**63 - 1, future=10**300).profile.model == "tiny"
