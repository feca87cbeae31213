import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse.backends.llamacpp.constraint import fitted
from roundhouse.core.errors import SchemaError
from roundhouse.core.inference import InferenceRequest, Operation
from roundhouse.testing.asking import ask

SCHEMA = {"type": "integer"}


def body_of(operation: Operation, **fields: object) -> dict[str, object]:
    """What llama.cpp gets."""
    body: dict[str, object] = json.loads(fitted(ask(operation, fields)).body)
    return body


def with_body(body: bytes) -> InferenceRequest:
    """A chat of any bytes."""
    return replace(ask(Operation.CHAT), body=body)


def test_what_asks_for_no_form_is_not_looked_at() -> None:
    """Not even whether it is JSON."""
    request = with_body(b"{")
    assert request is fitted(request)


def test_chats_go_on_as_they_came() -> None:
    """llama.cpp knows the field there."""
    request = ask(Operation.CHAT, {"response_format": {"type": "json_object"}})
    assert request is fitted(request)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}, SCHEMA),
        ({"type": "json_object"}, {"type": "object"}),
        ({"type": "text"}, None),
        (None, None),
    ],
)
def test_completions_get_the_schema_alone(form: object, expected: object) -> None:
    """Their own field is the stronger one."""
    assert expected == body_of(Operation.COMPLETION, response_format=form).get("json_schema")
    assert 1 == body_of(Operation.COMPLETION, response_format=form, json_schema=1)["json_schema"]


@pytest.mark.parametrize(
    "fields",
    [
        {"response_format": 7},
        {"response_format": {"type": 7}},
        {"response_format": {"type": "json_schema", "json_schema": []}},
        {"grammar": ["root"]},
        {"grammar": "x" * (65 << 10)},
        {"grammar": "(" * 201},
        {"json_schema": {"enum": ["x" * (65 << 10)]}},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"enum": ["x" * (65 << 10)]}}}},
    ],
)
def test_what_cannot_be_kept_to_is_the_clients_error(fields: dict[str, object]) -> None:
    """Before the child sees it."""
    with pytest.raises(SchemaError):
        body_of(Operation.COMPLETION, **fields)


def escaped(body: bytes, field: str) -> bytes:
    """*body* with the first letter of *field*'s name written otherwise: to JSON it is the same."""
    return body.replace(b'"%b"' % field.encode(), b'"\\u%04x%b"' % (ord(field[0]), field[1:].encode()))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("grammar", "(" * 201),
        ("json_schema", {"enum": ["x" * (65 << 10)]}),
        ("response_format", {"enum": ["x" * (65 << 10)]}),
    ],
)
def test_an_escaped_name_is_a_name(field: str, value: object) -> None:
    """What is sent on says it plainly, and llama.cpp would die of it."""
    request = ask(Operation.CHAT, {field: value})
    body = escaped(request.body, field)
    assert body != request.body
    with pytest.raises(SchemaError):
        fitted(replace(request, body=body))


def tool(length: int) -> dict[str, object]:
    """One that is called with so many bytes of schema."""
    schema = {"enum": [""]}
    schema["enum"] = ["x" * (length - len(json.dumps(schema)))]
    return {"type": "function", "function": {"name": "f", "parameters": schema}}


@pytest.mark.parametrize(
    ("lengths", "fits"), [([256 << 10], True), ([257 << 10], False), ([129 << 10, 129 << 10], False)]
)
def test_the_tools_are_short_enough_together(lengths: list[int], *, fits: bool) -> None:
    """llama.cpp makes one grammar of all their schemas."""
    request = ask(Operation.CHAT, {"tools": [tool(length) for length in lengths]})
    if fits:
        assert request is fitted(request)
        return
    with pytest.raises(SchemaError, match="tools: longer than 256 KiB"):
        fitted(request)


@pytest.mark.parametrize("tools", [None, [], [{"type": "function"}], [{"function": {"name": "f", "parameters": None}}]])
def test_what_is_said_of_tools_without_a_schema_is_llama_cpps_to_judge(tools: object) -> None:
    """Here is looked at the length of schemas alone."""
    request = ask(Operation.CHAT, {"tools": tools})
    assert request is fitted(request)


def test_brackets_that_close_do_not_count() -> None:
    """A long list of alternatives is not deep."""
    assert body_of(Operation.CHAT, grammar="root ::= " + '("x") ' * 1000)


@given(st.binary(max_size=60), st.sampled_from([b'"grammar"', b'"json_schema"', b'"response_format"']))
def test_nothing_foreign_gets_out(rest: bytes, field: bytes) -> None:
    """Whatever stands around the field."""
    for body in (b"{" + field + b":" + rest + b"}", b"[" * 5000 + field, field + rest):
        try:
            assert fitted(with_body(body)).body
        except SchemaError:
            continue
