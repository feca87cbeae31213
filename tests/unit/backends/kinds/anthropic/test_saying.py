import json
from typing import Any

import pytest

from roundhouse.backends.kinds.anthropic.saying import Frame, whole_answer
from roundhouse.backends.kinds.anthropic.tools import ANSWER_TOOL
from roundhouse.core.errors import BackendError, LimitError, RoundhouseError, SchemaError
from roundhouse.core.inference import TokenUsage

FRAME = Frame("r1", "m", 1_700_000_000)
USAGE = {"input_tokens": 5, "output_tokens": 2}
TEXT = {"type": "text", "text": "hello", "citations": None}
CALL = {"type": "tool_use", "id": "t1", "name": "add", "input": {"a": 1}}


def answered(*blocks: object, frame: Frame = FRAME, **fields: object) -> dict[str, Any]:
    """The answer to which such a message becomes."""
    message = {"type": "message", "content": blocks, "stop_reason": "end_turn", "usage": USAGE, **fields}
    answer: dict[str, Any] = json.loads(whole_answer(json.dumps(message).encode(), frame).data)
    return answer


def test_text_is_the_content() -> None:
    """In OpenAI's shape, under our name for the request."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "hello"},
        "logprobs": None,
        "finish_reason": "stop",
    }
    answer = answered(TEXT)
    assert ("chatcmpl-r1", "chat.completion", 1_700_000_000, "m", [choice]) == tuple(
        answer[name] for name in ("id", "object", "created", "model", "choices")
    )


def test_thoughts_are_reasoning_and_can_be_sent_back() -> None:
    """With their signatures; what is hidden is kept, too."""
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    hidden = {"type": "redacted_thinking", "data": "x"}
    message = answered(thought, hidden, TEXT)["choices"][0]["message"]
    assert ("hm", [thought, hidden], "hello") == (
        message["reasoning_content"],
        message["thinking_blocks"],
        message["content"],
    )


def test_calls_have_text_as_arguments() -> None:
    """And no content beside them unless there is some; the byte order of the object is kept."""
    choice = answered(CALL, {**CALL, "id": "t2", "input": {}}, stop_reason="tool_use")["choices"][0]
    calls = choice["message"]["tool_calls"]
    assert [("t1", '{"a": 1}'), ("t2", "{}")] == [(call["id"], call["function"]["arguments"]) for call in calls]
    assert (None, "tool_calls") == (choice["message"]["content"], choice["finish_reason"])


def test_an_answer_by_a_tool_is_content() -> None:
    """If that was how it was asked for; else it is a tool of the client's that has that name."""
    call = {**CALL, "name": ANSWER_TOOL}
    ours = answered(call, stop_reason="tool_use", frame=Frame("r", "m", 0, by_tool=True))["choices"][0]
    theirs = answered(call, stop_reason="tool_use")["choices"][0]
    assert ('{"a": 1}', "stop") == (ours["message"]["content"], ours["finish_reason"])
    assert "tool_calls" == theirs["finish_reason"]


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        ("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"), ("pause_turn", "stop"),
        ("model_context_window_exceeded", "length"), ("refusal", "content_filter"), ("brand_new", "stop"),
        (None, "stop"),
    ],
)  # fmt: skip
def test_reasons_have_openais_names(stop: str | None, reason: str) -> None:
    """Those that are new end an answer like any other."""
    assert reason == answered(TEXT, stop_reason=stop)["choices"][0]["finish_reason"]


def test_why_it_refused_is_told() -> None:
    """Where it says so."""
    details = {"type": "refusal", "category": "bio", "explanation": "not that"}
    choice = answered(stop_reason="refusal", stop_details=details)["choices"][0]
    assert ("not that", "") == (choice["message"]["refusal"], choice["message"]["content"])


def test_what_was_cached_is_part_of_the_prompt() -> None:
    """OpenAI's rule; Anthropic counts it apart."""
    usage = {
        "input_tokens": 10, "cache_read_input_tokens": 70, "cache_creation_input_tokens": 20, "output_tokens": 9,
        "output_tokens_details": {"thinking_tokens": 4},
    }  # fmt: skip
    message = {"type": "message", "content": [TEXT], "stop_reason": "end_turn", "usage": usage}
    answer = whole_answer(json.dumps(message).encode(), FRAME)
    assert TokenUsage(100, 9, 70) == answer.usage
    assert {
        "prompt_tokens": 100,
        "completion_tokens": 9,
        "total_tokens": 109,
        "prompt_tokens_details": {"cached_tokens": 70, "cache_write_tokens": 20},
        "completion_tokens_details": {"reasoning_tokens": 4},
    } == json.loads(answer.data)["usage"]


def test_blocks_that_nobody_knows_are_left_out() -> None:
    """Whatever they hold."""
    odd = {"type": "server_tool_use", "id": 7, "name": None, "input": [], "text": {}}
    assert "hello" == answered(odd, TEXT)["choices"][0]["message"]["content"]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"type": "overloaded_error", "message": "Overloaded"}, BackendError),
        ({"type": "rate_limit_error", "message": "slow down"}, LimitError),
        ({"type": "invalid_request_error", "message": "bad"}, SchemaError),
        ({"type": "brand_new", "message": "?"}, BackendError),
        ("a text", BackendError),
    ],
)
def test_an_error_under_200_is_an_error(error: object, kind: type[RoundhouseError]) -> None:
    """Of the kind that its type says."""
    with pytest.raises(kind):
        whole_answer(json.dumps({"type": "error", "error": error}).encode(), FRAME)


@pytest.mark.parametrize(
    "data",
    [
        b"<html>", b"[]", b"{}", b'{"content":null}', b'{"content":7}', b'{"content":[7]}',
        b'{"content":[{"type":[]}]}', b'{"content":[{"type":"text","text":7}]}', b"[" * 5000, b"\xff",
        b'{"content":[],"usage":{"input_tokens":"many"}}', b'{"content":[{"type":"tool_use","input":{"a":"\xff"}}]}',
    ],
)  # fmt: skip
def test_what_is_no_answer_is_an_error(data: bytes) -> None:
    """Never an empty answer, never a foreign exception."""
    with pytest.raises(BackendError):
        whole_answer(data, FRAME)
