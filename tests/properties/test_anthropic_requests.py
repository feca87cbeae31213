"""Whatever a client asks, Anthropic gets what it takes, or the client a refusal that says why."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from roundhouse.backends.kinds.anthropic.asking import asked
from roundhouse.backends.kinds.anthropic.config import policy_of
from roundhouse.backends.kinds.anthropic.nature import Nature
from roundhouse.core.errors import SchemaError
from roundhouse.testing.anthropic_rules import complaint
from roundhouse.testing.anthropic_shapes import NEWER, OLDER, OLDEST, Model, signature_of

TEXTS = st.text(max_size=12)
MARK = {"cache_control": {"type": "ephemeral"}}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"properties": {"a": {"maximum": 3}}}}}
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": signature_of("hm")}


@st.composite
def exchanges(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Something said, and perhaps a call of tools with their results."""
    said: list[dict[str, Any]] = [
        {"role": draw(st.sampled_from(["user", "system", "developer", "assistant"])), "content": draw(TEXTS)}
    ]
    ids = draw(st.lists(st.text("ab.:/_", min_size=1, max_size=4), max_size=2, unique=True))
    if ids and len({"".join(c if c.isalnum() else "_" for c in each) for each in ids}) == len(ids):
        calls = [{"id": each, "type": "function", "function": {"name": "add", "arguments": "{}"}} for each in ids]
        thoughts = draw(st.sampled_from([{}, {"thinking_blocks": [THOUGHT]}]))
        said.append({"role": "user", "content": "go"})
        said.append({"role": "assistant", "content": draw(st.none() | TEXTS), "tool_calls": calls, **thoughts})
        said += [{"role": "tool", "tool_call_id": each, "content": draw(TEXTS)} for each in ids]
    return said


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.floats(-1, 3),
        "top_p": st.floats(0, 1),
        "top_k": st.integers(1, 50),
        "max_tokens": st.integers(1, 60_000),
        "stop": TEXTS | st.lists(TEXTS, max_size=3),
        "tools": st.lists(st.just(TOOL) | st.just({**TOOL, **MARK}), max_size=3),
        "tool_choice": st.sampled_from(["auto", "none", "required"]),
        "parallel_tool_calls": st.booleans(),
        "reasoning_effort": st.sampled_from(["none", "minimal", "low", "high", "max"]),
        "reasoning": st.fixed_dictionaries({"max_tokens": st.integers(0, 90_000)}),
        "response_format": st.sampled_from([
            {"type": "json_object"},
            {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object", "oneOf": []}}},
        ]),
        "user": TEXTS,
        "seed": st.integers(),
        "metadata": st.dictionaries(st.sampled_from(["room", "user_id"]), TEXTS),
        "logit_bias": st.none(),
    },
)  # fmt: skip


def nature_of(model: Model) -> Nature:
    """What is known of a model of the fake's."""
    efforts = frozenset({"low", "medium", "high", "xhigh", "max"}) if model.adaptive else frozenset[str]()
    return Nature(
        adaptive=model.adaptive,
        budget=model.budget,
        silent=model.silent,
        efforts=efforts,
        samples=model.samples,
        schemas=model.schemas,
        answer=model.answer,
    )


@given(
    st.lists(exchanges(), min_size=1, max_size=4),
    OPTIONS,
    st.sampled_from([NEWER, OLDER, OLDEST]),
    st.sampled_from([False, "1h"]),
)
def test_what_is_sent_is_what_anthropic_takes(
    history: list[list[dict[str, Any]]], options: dict[str, Any], model: Model, cache: Any
) -> None:
    """For models of every age; by the rules of the fake, which are those of Anthropic as far as they are known."""
    messages = [message for exchange in history for message in exchange]
    body = json.dumps({"messages": messages, **options}).encode()
    try:
        sent = asked(body, nature_of(model), policy_of("a", {"cache": cache})).body(model.name, stream=True)
        refusal, wrong = "messages: none", complaint(json.loads(sent), model)
    except SchemaError as error:
        refusal, wrong = error.message, None
    assert (True, None) == (refusal.startswith(("messages:", "stop:")), wrong)
