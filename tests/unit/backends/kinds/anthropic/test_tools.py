import json
from typing import Any

import msgspec
import pytest

from roundhouse.backends.kinds.anthropic.asking import asked
from roundhouse.backends.kinds.anthropic.config import Policy
from roundhouse.backends.kinds.anthropic.nature import nature_by_name
from roundhouse.backends.kinds.anthropic.schemas import fitted
from roundhouse.backends.kinds.anthropic.tools import ANSWER_TOOL

SCHEMAS, NONE = "claude-opus-5", "claude-3-7-sonnet-20250219"
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}, "required": ["a"]}
FITTED = {
    "type": "object",
    "properties": {"a": {"type": "integer", "description": "{minimum: 1}"}},
    "required": ["a"],
    "additionalProperties": False,
}
SHAPE = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": SCHEMA}}


def tool(name: str = "add", **function: object) -> dict[str, Any]:
    """A tool as OpenAI writes it."""
    return {"type": "function", "function": {"name": name, **function}}


def sent(model: str = SCHEMAS, **body: object) -> dict[str, Any]:
    """What Anthropic gets for a body."""
    whole = {"messages": [{"role": "user", "content": "hello"}], **body}
    result: dict[str, Any] = json.loads(
        asked(json.dumps(whole).encode(), nature_by_name(model), Policy()).body(model, stream=False)
    )
    return result


def test_parameters_are_the_schema_of_the_input() -> None:
    """Which is an object, whether it says so or not."""
    tools = [tool(description="adds", parameters=SCHEMA), tool(parameters={"properties": {}}), tool()]
    expected = [
        {"name": "add", "description": "adds", "input_schema": SCHEMA},
        {"name": "add", "input_schema": {"type": "object", "properties": {}}},
        {"name": "add", "input_schema": {"type": "object"}},
    ]
    assert expected == sent(tools=tools)["tools"]


def test_strict_tools_are_held_to_what_can_be_enforced() -> None:
    """By models that hold themselves to schemas; for others it is a hint."""
    tools = [tool(parameters=SCHEMA, strict=True)]
    assert [{"name": "add", "input_schema": FITTED, "strict": True}] == sent(tools=tools)["tools"]
    assert [{"name": "add", "input_schema": SCHEMA}] == sent(NONE, tools=tools)["tools"]


def test_anthropics_own_tools_go_through() -> None:
    """A client that knows them may use them."""
    own = {"type": "web_search_20250305", "name": "web_search", "max_uses": 5}
    assert [own, {"name": "add", "input_schema": {"type": "object"}}] == sent(tools=[own, tool()])["tools"]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", {"type": "auto"}),
        ("none", {"type": "none"}),
        ("required", {"type": "any"}),
        ({"type": "function", "function": {"name": "add"}}, {"type": "tool", "name": "add"}),
        ({"type": "tool", "name": "add"}, {"type": "tool", "name": "add"}),
        ({"type": "any"}, {"type": "any"}),
    ],
)
def test_a_choice_of_tool_is_one_of_four(choice: object, expected: dict[str, Any]) -> None:
    """And means nothing without tools, where Anthropic refuses it."""
    assert expected == sent(tools=[tool()], tool_choice=choice)["tool_choice"]
    assert "tool_choice" not in sent(tool_choice=choice)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"type": "auto", "disable_parallel_tool_use": True}),
        ({"tool_choice": "required"}, {"type": "any", "disable_parallel_tool_use": True}),
        ({"tool_choice": "none"}, {"type": "none"}),
    ],
)
def test_one_call_at_a_time_is_part_of_the_choice(given: dict[str, Any], expected: dict[str, Any]) -> None:
    """Where there is anything to call."""
    assert expected == sent(tools=[tool()], parallel_tool_calls=False, **given)["tool_choice"]


def test_a_schema_is_the_format_of_the_output() -> None:
    """For models that know it."""
    body = sent(response_format=SHAPE)
    assert {"format": {"type": "json_schema", "schema": FITTED}} == body["output_config"]
    assert "tools" not in body


def test_any_json_is_a_sentence() -> None:
    """An open object cannot be enforced there."""
    body = sent(response_format={"type": "json_object"}, messages=[{"role": "user", "content": "a"}])
    assert ("JSON object" in body["system"][-1]["text"], "tools" in body) == (True, False)


def test_older_models_answer_by_a_tool() -> None:
    """Which they must call, unless there are others: then one of them."""
    alone, among = sent(NONE, response_format=SHAPE), sent(NONE, response_format=SHAPE, tools=[tool()])
    silent = sent(NONE, response_format=SHAPE, tools=[tool()], tool_choice="none")
    chosen = sent(NONE, response_format=SHAPE, tools=[tool()], tool_choice="required")
    assert (ANSWER_TOOL, SCHEMA) == (alone["tools"][-1]["name"], alone["tools"][-1]["input_schema"])
    by_name, any_of_them = {"type": "tool", "name": ANSWER_TOOL}, {"type": "any"}
    assert [by_name, any_of_them, by_name, any_of_them] == [
        body["tool_choice"] for body in (alone, among, silent, chosen)
    ]


def test_a_schema_is_fitted_in_all_its_corners() -> None:
    """Objects are closed, what cannot be enforced is told in words, names that look like rules are names."""
    schema = {
        "$schema": "x",
        "type": "object",
        "properties": {
            "pattern": {"type": "string", "pattern": "a+", "description": "letters"},
            "list": {"type": "array", "minItems": 2, "items": {"oneOf": [{"type": "object"}, {"type": "null"}]}},
            "when": {"type": "string", "format": "date"},
            "odd": {"type": "string", "format": "ean"},
        },
        "$defs": {"node": {"type": "object", "properties": {}}},
    }
    made = fitted(msgspec.Raw(json.dumps(schema).encode()))
    closed = {"type": "object", "additionalProperties": False}
    expected = {
        "type": "object",
        "properties": {
            "pattern": {"type": "string", "description": 'letters {pattern: "a+"}'},
            "list": {"type": "array", "items": {"anyOf": [closed, {"type": "null"}]}, "description": "{minItems: 2}"},
            "when": {"type": "string", "format": "date"},
            "odd": {"type": "string", "description": '{format: "ean"}'},
        },
        "$defs": {"node": {**closed, "properties": {}}},
        "additionalProperties": False,
    }
    assert expected == made
