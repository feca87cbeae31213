import json
from typing import Any

import pytest

from roundhouse.backends.kinds.ollama.saying import Frame, Telling, whole_answer
from roundhouse.core.errors import BackendError
from roundhouse.core.inference import Operation, TokenUsage

FRAME = Frame("r1", "m", 1_700_000_000)
DONE = {"done": True, "done_reason": "stop", "prompt_eval_count": 5, "eval_count": 2, "load_duration": 2_000_000_000}


def line(**fields: object) -> bytes:
    """One line of a stream."""
    return json.dumps({"model": "m", "created_at": "2026-01-01T00:00:00Z", "done": False, **fields}).encode() + b"\n"


def said(content: str = "", **message: object) -> bytes:
    """A line with a piece of a message."""
    return line(message={"role": "assistant", "content": content, **message})


def deltas(data: bytes) -> list[dict[str, Any]]:
    """The deltas that a stream becomes."""
    telling = Telling(FRAME)
    chunks = telling.feed(data) + telling.finish()
    return [choice["delta"] for chunk in chunks for choice in json.loads(chunk.data)["choices"]]


def test_a_stream_becomes_chunks() -> None:
    """Role first, then words, then the reason, then the usage alone."""
    telling = Telling(FRAME)
    chunks = telling.feed(said("he") + said("llo") + line(message={"content": ""}, **DONE)) + telling.finish()
    assert [(True, False), (True, False), (False, True), (False, False)] == [(c.visible, c.final) for c in chunks]
    assert [None, None, None, TokenUsage(5, 2)] == [chunk.usage for chunk in chunks]


def test_omitted_counts_are_zero() -> None:
    """Go leaves out what is zero: a prompt that was all in the cache, an answer of nothing."""
    answer, _ = whole_answer(line(message={"content": ""}, done=True), FRAME)
    assert TokenUsage(0, 0) == answer.usage


def test_an_error_under_200_is_an_error() -> None:
    """What came before is given out before it is raised."""
    telling = Telling(FRAME)
    assert 1 == len(telling.feed(said("he") + b'{"error":"runner died"}\n'))
    with pytest.raises(BackendError, match="runner died"):
        telling.finish()


def test_a_stream_without_done_was_cut() -> None:
    """There is no other sign."""
    telling = Telling(FRAME)
    telling.feed(said("he"))
    with pytest.raises(BackendError, match="middle"):
        telling.finish()


def test_thoughts_are_reasoning() -> None:
    """Apart from the text."""
    assert "hm" == deltas(said(thinking="hm") + said("4") + line(**DONE))[0]["reasoning_content"]


def test_tool_calls_get_ids_and_text() -> None:
    """Ids that differ, arguments as text, numbers that go on, and the right reason."""
    call = {"function": {"name": "add", "arguments": {"a": 1}}}
    telling = Telling(FRAME)
    chunks = telling.feed(said(tool_calls=[call]) + said(tool_calls=[call]) + line(**DONE)) + telling.finish()
    choices = [json.loads(chunk.data)["choices"][0] for chunk in chunks[:3]]
    calls = [choice["delta"]["tool_calls"][0] for choice in choices[:2]]
    assert [("call_r1_0", 0), ("call_r1_1", 1)] == [(call["id"], call["index"]) for call in calls]
    assert ({"a": 1}, "tool_calls") == (json.loads(calls[0]["function"]["arguments"]), choices[2]["finish_reason"])


def test_ids_that_are_there_are_kept() -> None:
    """Newer versions have them."""
    call = {"id": "x", "function": {"name": "add", "arguments": {}}}
    answer, _ = whole_answer(line(message={"content": "", "tool_calls": [call]}, **DONE), FRAME)
    message = json.loads(answer.data)["choices"][0]["message"]
    assert ("x", None) == (message["tool_calls"][0]["id"], message["content"])


def test_a_limit_is_a_length() -> None:
    """The reason why it ended is kept."""
    answer, _ = whole_answer(line(message={"content": "a"}, **{**DONE, "done_reason": "length"}), FRAME)
    assert "length" == json.loads(answer.data)["choices"][0]["finish_reason"]


def test_logprobs_are_kept() -> None:
    """Where the version has them."""
    probs = [{"token": "a", "logprob": -0.1}]
    answer, _ = whole_answer(line(message={"content": "a"}, logprobs=probs, **DONE), FRAME)
    assert {"content": probs} == json.loads(answer.data)["choices"][0]["logprobs"]


def test_seconds_of_loading_are_seconds() -> None:
    """Ollama counts in nanoseconds."""
    _, read = whole_answer(line(message={"content": "a"}, **DONE), FRAME)
    assert pytest.approx(2.0) == read.load_s


def test_a_completion_is_text() -> None:
    """In OpenAI's older shape, whole and streamed."""
    frame = Frame("r1", "m", 0, Operation.COMPLETION)
    telling = Telling(frame)
    chunks = telling.feed(line(response="abc") + line(response="", **DONE)) + telling.finish()
    answer, _ = whole_answer(line(response="abc", **DONE), frame)
    assert ["abc", "abc"] == [json.loads(data)["choices"][0]["text"] for data in (answer.data, chunks[0].data)]


@pytest.mark.parametrize("data", [b"<html>", b"[]", b'{"done":false}', b'{"error":{"message":"no"}}'])
def test_what_is_no_answer_is_an_error(data: bytes) -> None:
    """Never an empty answer."""
    with pytest.raises(BackendError):
        whole_answer(data, FRAME)
