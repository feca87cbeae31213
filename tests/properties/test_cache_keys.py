"""Whatever changes the answer changes the key; nothing else does. And both forms of an answer say the same."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.serving.caching.conftest import asking

from roundhouse.core.inference import Answer, InferenceRequest, Operation
from roundhouse.core.runtimes import Traits
from roundhouse.serving.caching.keys import key_of, question_of
from roundhouse.serving.caching.shapes import in_one, in_pieces
from roundhouse.testing.backend import a_deployment

texts = st.text(st.characters(codec="utf-8"), max_size=20)
scalars = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(0, 2) | texts
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))
IRRELEVANT = ("stream", "stream_options", "user", "metadata", "store", "model", "safety_identifier", "prompt_cache_key")
RELEVANT = (
    "messages", "prompt", "input", "tools", "tool_choice", "functions", "response_format", "temperature", "top_p",
    "top_k", "min_p", "seed", "stop", "n", "max_tokens",
    "max_completion_tokens", "logprobs", "top_logprobs", "logit_bias",
    "frequency_penalty", "presence_penalty", "reasoning_effort", "dimensions", "encoding_format", "suffix", "echo",
    "modalities", "service_tier", "num_ctx", "keep_alive", "chat_template_kwargs", "thinking", "whatever",
)  # fmt: skip
bodies = st.dictionaries(st.sampled_from(RELEVANT), values, max_size=5)


def _digest(body: object, request: InferenceRequest | None = None) -> str:
    made = replace(request or asking(), body=json.dumps(body).encode())
    question = question_of(made)
    assert question is not None
    return question.digest


@given(bodies, st.sampled_from(RELEVANT), values)
def test_any_change_of_a_relevant_field_changes_the_key(body: dict[str, object], field: str, value: object) -> None:
    """Added, changed, or of another type."""
    changed = {**body, field: value}
    same = json.dumps(body, sort_keys=True) == json.dumps(changed, sort_keys=True)
    assert same == (_digest(body) == _digest(changed))


@given(bodies, st.dictionaries(st.sampled_from(IRRELEVANT), values))
def test_irrelevant_fields_do_not(body: dict[str, object], notes: dict[str, object]) -> None:
    """Who asks, and how it is sent."""
    assert _digest(body) == _digest({**body, **notes})


@given(bodies, st.randoms())
def test_order_and_spaces_do_not(body: dict[str, object], random: object) -> None:
    """The same JSON is the same question."""
    names = list(body)
    random.shuffle(names)  # type: ignore[attr-defined]
    spaced = json.dumps({name: body[name] for name in names}, indent=3, ensure_ascii=False).encode()
    question = question_of(replace(asking(), body=spaced))
    assert question is not None
    assert _digest(body) == question.digest


@given(bodies)
def test_operations_do_not_share_answers(body: dict[str, object]) -> None:
    """A chat is no completion."""
    keys = {_digest(body, asking(operation=operation)) for operation in Operation}
    assert len(Operation) == len(keys)


_PLACES = st.tuples(texts, texts, st.none() | texts, st.none() | texts, st.none() | texts)


@given(st.lists(_PLACES, min_size=2, max_size=2, unique=True))
def test_those_who_might_answer_differently_have_different_keys(
    who: list[tuple[str, str, str | None, str | None, str | None]],
) -> None:
    """Another place, another name there, other weights, another quantisation, other adapters."""
    keys = set()
    places = set()
    for backend, upstream, digest, quantization, variant in who:
        traits = Traits(digest=digest, quantization=quantization, variant=variant)
        deployment = replace(a_deployment("a/m"), backend=backend, upstream=upstream, traits=traits)
        keys.add(key_of("question", deployment))
        whose = (digest, quantization) if digest is not None else (backend, upstream, quantization)
        places.add((*whose, variant))
    assert len(places) == len(keys)


@pytest.mark.parametrize("text", ["[]", "null", "1", "{", '{"a":1,"a":2}', '{"a":{"b":1,"b":1}}', "[" * 100_000])
def test_what_readers_may_differ_about_has_no_key(text: str) -> None:
    """Then there is no cache for it."""
    assert question_of(replace(asking(), body=text.encode())) is None


calls = st.lists(
    st.fixed_dictionaries(
        {
            "id": texts.filter(bool),
            "type": st.just("function"),
            "function": st.fixed_dictionaries({"name": texts.filter(bool), "arguments": texts}),
        }
    ),
    min_size=1,
    max_size=3,
)
messages = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": st.none() | texts},
    optional={"tool_calls": calls, "reasoning_content": texts, "refusal": st.none()},
)
ends = st.sampled_from(["stop", "length", "tool_calls"])


@given(choices=st.lists(st.tuples(messages, ends), min_size=1, max_size=3), counted=st.booleans())
def test_an_answer_survives_being_taken_apart(choices: list[tuple[dict[str, object], str]], *, counted: bool) -> None:
    """In pieces and put together again it is what it was."""
    tree: dict[str, object] = {
        "id": "c-1",
        "object": "chat.completion",
        "choices": [
            {"index": number, "message": message, "finish_reason": end, "logprobs": None}
            for number, (message, end) in enumerate(choices)
        ],
    }
    if counted:
        tree["usage"] = {"prompt_tokens": 1, "completion_tokens": 2}
    pieces = in_pieces(Answer(json.dumps(tree).encode()), Operation.CHAT)
    assert pieces is not None
    again = in_one(pieces, Operation.CHAT)
    assert again is not None
    assert tree == json.loads(again.data)
