import json
from typing import Any

import pytest

from roundhouse.backends.kinds.anthropic.asking import asked
from roundhouse.backends.kinds.anthropic.config import Policy
from roundhouse.backends.kinds.anthropic.nature import nature_by_name
from roundhouse.core.errors import SchemaError

HELLO: list[dict[str, Any]] = [{"role": "user", "content": "hello"}]
BUDGET, ADAPTIVE, BOTH = "claude-sonnet-4-5", "claude-opus-4-8", "claude-opus-4-6"
ALWAYS, NEVER = "claude-fable-5", "claude-3-5-haiku-20241022"
TOOLS = [{"type": "function", "function": {"name": "add"}}]
HISTORY: list[dict[str, Any]] = [
    *HELLO,
    {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "add", "arguments": "{}"}}]},
    {"role": "tool", "tool_call_id": "a", "content": "2"},
]


def sent(model: str, **body: object) -> dict[str, Any]:
    """What Anthropic gets for a body."""
    made = asked(json.dumps({"messages": HELLO, **body}).encode(), nature_by_name(model), Policy())
    result: dict[str, Any] = json.loads(made.body(model, stream=False))
    return result


def enabled(budget: int) -> dict[str, Any]:
    """Thinking within so many tokens."""
    return {"type": "enabled", "budget_tokens": budget}


@pytest.mark.parametrize(
    ("body", "budget"),
    [
        ({"reasoning_effort": "high", "max_tokens": 10_000}, 8000),
        ({"reasoning_effort": "minimal", "max_tokens": 4000}, 1024),
        ({"reasoning": {"effort": "medium"}, "max_tokens": 10_000}, 5000),
        ({"reasoning": {"enabled": True}, "max_tokens": 10_000}, 5000),
        ({"reasoning": {"max_tokens": 2000}, "max_tokens": 10_000}, 2000),
        ({"reasoning": {"max_tokens": 90_000}, "max_tokens": 10_000}, 9999),
        ({"reasoning_effort": "high"}, 25_600),
        ({"reasoning_effort": "high", "max_tokens": 1025}, 1024),
    ],
)
def test_effort_is_a_share_of_the_answer(body: dict[str, Any], budget: int) -> None:
    """At least what Anthropic takes, and always less than the answer may have."""
    assert enabled(budget) == sent(BUDGET, **body)["thinking"]


@pytest.mark.parametrize(
    "body",
    [
        {"reasoning_effort": "high", "max_tokens": 1024},
        {"reasoning_effort": "high", "tools": TOOLS, "tool_choice": "required"},
        {"reasoning_effort": "high", "tools": TOOLS, "messages": HISTORY},
        {"reasoning_effort": "none"},
        {"reasoning": {"enabled": False}},
        {},
    ],
)
def test_a_wish_gives_way(body: dict[str, Any]) -> None:
    """Without room, with a tool that must be called, or when thoughts are missing, there is no budget."""
    assert "thinking" not in sent(BUDGET, **body)


def test_thoughts_that_come_back_let_it_think_on() -> None:
    """After the call of a tool."""
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    history = [HISTORY[0], {**HISTORY[1], "thinking_blocks": [thought]}, HISTORY[2]]
    assert "enabled" == sent(BUDGET, reasoning_effort="low", tools=TOOLS, messages=history)["thinking"]["type"]


@pytest.mark.parametrize(
    ("model", "effort", "said"),
    [
        (ADAPTIVE, "minimal", "low"),
        (ADAPTIVE, "xhigh", "xhigh"),
        (ADAPTIVE, "max", "max"),
        (BOTH, "xhigh", "high"),
        (ALWAYS, "medium", "medium"),
    ],
)
def test_newer_models_are_told_an_effort(model: str, effort: str, said: str) -> None:
    """The nearest that they have, and that thoughts are to be seen."""
    body = sent(model, reasoning_effort=effort, temperature=0.2)
    assert ({"type": "adaptive", "display": "summarized"}, {"effort": said}) == (
        body["thinking"],
        body["output_config"],
    )
    assert "temperature" not in body


@pytest.mark.parametrize(
    ("model", "thinking", "output"),
    [(ADAPTIVE, {"type": "disabled"}, None), (ALWAYS, None, {"effort": "low"}), (NEVER, None, None)],
)
def test_no_effort_is_as_little_as_can_be(model: str, thinking: object, output: object) -> None:
    """Some always think."""
    body = sent(model, reasoning_effort="none")
    assert (thinking, output) == (body.get("thinking"), body.get("output_config"))


def test_a_model_that_does_not_think_is_not_told() -> None:
    """A wish, and no reason to fail."""
    assert sent(NEVER) == sent(NEVER, reasoning_effort="high")


def test_while_it_thinks_there_is_no_temperature() -> None:
    """Anthropic refuses the two together."""
    assert "temperature" not in sent(BUDGET, reasoning_effort="low", temperature=0)
    assert 0 == sent(BUDGET, reasoning_effort="none", temperature=0)["temperature"]


def test_anthropics_own_words_are_no_wish() -> None:
    """They go through; an answer that nobody limited gets room beside them."""
    body = sent(BUDGET, thinking=enabled(50_000), reasoning_effort="low", temperature=0.1)
    assert (enabled(50_000), 82_000, False) == (body["thinking"], body["max_tokens"], "temperature" in body)
    assert 60_000 == sent(BUDGET, thinking=enabled(50_000), max_tokens=60_000)["max_tokens"]


def test_a_clients_own_effort_comes_first() -> None:
    """What else it says of the output stays."""
    body = sent(ADAPTIVE, reasoning_effort="low", output_config={"effort": "max", "task_budget": {"total": 9}})
    assert {"effort": "max", "task_budget": {"total": 9}} == body["output_config"]


@pytest.mark.parametrize("body", [{"thinking": 7}, {"thinking": {}}, {"reasoning": []}, {"reasoning_effort": 3}])
def test_what_is_no_wish_is_refused(body: dict[str, Any]) -> None:
    """As what it is: the client's mistake."""
    with pytest.raises(SchemaError):
        sent(BUDGET, **body)
