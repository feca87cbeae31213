"""Answers that must have a form, from the real llama.cpp."""

import json
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from roundhouse.backends.children import pulse
from roundhouse.core.errors import BackendError, SchemaError
from roundhouse.core.inference import Operation
from roundhouse.testing.asking import ask, ask_chat
from roundhouse.testing.runtime import LIMITS, Runtime

pytestmark = pytest.mark.slow

ENVIRON = dict(os.environ)  # noqa: TID251 - scrubbed on the way
SCHEMA = {
    "type": "object",
    "properties": {"wheels": {"type": "integer"}, "gauge": {"enum": ["narrow", "broad"]}},
    "required": ["wheels", "gauge"],
    "additionalProperties": False,
}
#: Small, and the number of ways to read nothing with it has twelve digits.
ENDLESS = "root ::= r0\n" + "\n".join(f"r{n} ::= r{n + 1} r{n + 1}" for n in range(40)) + '\nr40 ::= ""'


@pytest.fixture
async def runtime() -> AsyncIterator[Runtime]:
    """The bundled model, which knows nothing of JSON; looked after every quarter of a second."""
    made = Runtime(ENVIRON, limits=replace(LIMITS, hang_s=1.0))
    yield made
    await made.backend.close()


def in_schema(schema: object) -> dict[str, object]:
    """The field of a request that asks for it."""
    return {"type": "json_schema", "json_schema": {"name": "it", "strict": True, "schema": schema}}


def in_tool(schema: object) -> dict[str, object]:
    """A tool that is called with such a thing."""
    return {"type": "function", "function": {"name": "couple", "parameters": schema}}


async def said(runtime: Runtime, **fields: Any) -> str:
    """The whole text of an answer that was not cut."""
    answer = await runtime.backend.answer(ask_chat(max_tokens=300, **fields), await runtime.deployment())
    choice = json.loads(answer.data)["choices"][0]
    assert "stop" == choice["finish_reason"]
    return str(choice["message"]["content"])


async def test_a_schema_is_kept(runtime: Runtime) -> None:
    """By a model that would never say anything of the kind."""
    wagon = json.loads(await said(runtime, response_format=in_schema(SCHEMA)))
    assert {"wheels", "gauge"} == set(wagon)
    assert (True, True) == (isinstance(wagon["wheels"], int), wagon["gauge"] in {"narrow", "broad"})


async def test_a_schema_is_kept_in_a_stream(runtime: Runtime) -> None:
    """Piece by piece it is the same text."""
    request = ask_chat(stream=True, max_tokens=300, response_format=in_schema(SCHEMA))
    pieces = [json.loads(chunk.data) async for chunk in runtime.backend.stream(request, await runtime.deployment())]
    deltas = [choice["delta"].get("content") or "" for piece in pieces for choice in piece["choices"]]
    assert {"wheels", "gauge"} == set(json.loads("".join(deltas)))


async def test_any_object_will_do(runtime: Runtime) -> None:
    """The older way to ask."""
    assert isinstance(json.loads(await said(runtime, response_format={"type": "json_object"})), dict)


async def test_a_grammar_is_kept(runtime: Runtime) -> None:
    """llama.cpp's own field, in chats and completions."""
    grammar = 'root ::= "stop" | "go"'
    assert await said(runtime, grammar=grammar) in {"stop", "go"}
    request = ask(Operation.COMPLETION, {"prompt": "the signal says", "max_tokens": 30, "grammar": grammar})
    answer = await runtime.backend.answer(request, await runtime.deployment())
    assert json.loads(answer.data)["choices"][0]["text"] in {"stop", "go"}


@pytest.mark.parametrize(
    ("form", "begins"), [(in_schema({"enum": ["narrow"]}), '"narrow"'), ({"type": "json_object"}, "{")]
)
async def test_completions_are_held_to_it_as_well(runtime: Runtime, form: dict[str, object], begins: str) -> None:
    """llama.cpp itself would ignore the field there."""
    request = ask(Operation.COMPLETION, {"prompt": "the", "max_tokens": 30, "response_format": form})
    answer = await runtime.backend.answer(request, await runtime.deployment())
    assert json.loads(answer.data)["choices"][0]["text"].startswith(begins)


@pytest.mark.parametrize(
    "fields",
    [
        {"grammar": "root ::= ((("},
        {"grammar": 'stem ::= "x"'},
        {"grammar": 'root ::= root "x" | "y"'},
        {"grammar": 'root ::= "x"{1000000000}'},
        {"grammar": "root ::= " + "(" * 1_000_000 + '"x"' + ")" * 1_000_000},
        {"grammar": "root ::= " + "(" * 1_000 + '"x"' + ")" * 1_000},
        {"grammar": 7},
        {"response_format": {"type": "xml"}},
        {"response_format": in_schema({"type": "wagon"})},
        {"response_format": in_schema({"$ref": "#/nowhere"})},
        {"response_format": in_schema({"$ref": "http://127.0.0.1:1/schema"})},
        {"response_format": in_schema({"type": "string", "minLength": 1_000_000_000})},
        {"response_format": in_schema({"enum": [f"wagon {number}" for number in range(20_000)]})},
        {"tools": [in_tool({"enum": [f"wagon {number}" for number in range(20_000)]})], "tool_choice": "required"},
    ],
)
async def test_a_form_that_is_none_is_the_clients_error(runtime: Runtime, fields: dict[str, Any]) -> None:
    """The child lives on and serves the next request."""
    deployment = await runtime.deployment()
    with pytest.raises(SchemaError):
        [chunk async for chunk in runtime.backend.stream(ask_chat(stream=True, **fields), deployment)]
    with pytest.raises(SchemaError):
        await runtime.backend.answer(ask_chat(**fields), deployment)
    assert await said(runtime, grammar='root ::= "go"')
    assert [("noise", True)] == runtime.changes


async def test_an_escaped_name_does_not_kill_the_child(runtime: Runtime) -> None:
    """It overran the stack of llama.cpp, and with it everybody's answers."""
    request = ask_chat(grammar="root ::= " + "(" * 1_000_000 + '"x"' + ")" * 1_000_000)
    with pytest.raises(SchemaError):
        await runtime.backend.answer(
            replace(request, body=request.body.replace(b'"grammar"', b'"gramm\\u0061r"')), await runtime.deployment()
        )
    assert "go" == await said(runtime, grammar='root ::= "go"')


async def test_a_grammar_that_never_ends_takes_only_the_child_along(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would fill the memory of the machine; the next request is served by a new child."""
    monkeypatch.setattr(pulse, "_BESIDE", 200 << 20)
    with pytest.raises(BackendError, match="SIGKILL"):
        await runtime.backend.answer(ask_chat(grammar=ENDLESS), await runtime.deployment())
    assert "go" == await said(runtime, grammar='root ::= "go"')
