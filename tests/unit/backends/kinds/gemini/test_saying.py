"""Google's answers in OpenAI's words, where the fake does not say such things."""

import json
from typing import Any

import pytest

from roundhouse.backends.kinds.gemini.frame import Frame
from roundhouse.backends.kinds.gemini.saying import Telling, whole_answer
from roundhouse.core.errors import BackendError, RoundhouseError
from roundhouse.core.inference import Chunk, Operation, TokenUsage

FRAME = Frame("r", "m", 0)


def event(*parts: dict[str, Any], reason: str | None = None, **fields: Any) -> bytes:
    """One answer of one candidate."""
    candidate = {"content": {"parts": list(parts)}} | ({"finishReason": reason} if reason else {})
    return json.dumps({"candidates": [candidate], **fields}).encode()


def told(*events: bytes, frame: Frame = FRAME) -> list[Chunk]:
    """All that is told of a stream."""
    telling = Telling(frame)
    chunks = [chunk for each in events for chunk in telling.feed(b"data: " + each + b"\r\n\r\n")]
    return chunks + telling.finish()


def reasons(chunks: list[Chunk]) -> list[tuple[int, str]]:
    """Which answer ended why."""
    found = [choice for chunk in chunks for choice in json.loads(chunk.data)["choices"]]
    return [(choice["index"], choice["finish_reason"]) for choice in found if choice["finish_reason"]]


@pytest.mark.parametrize(
    ("google", "openai"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("SPII", "content_filter"),
        ("OTHER", "stop"),
        ("A_NEW_ONE", "stop"),
    ],
)
def test_each_reason_has_its_word(google: str, openai: str) -> None:
    """One that nobody knows is an end like others, if something was said."""
    answer = json.loads(whole_answer(event({"text": "x"}, reason=google), FRAME).data)
    assert openai == answer["choices"][0]["finish_reason"]
    assert [(0, openai)] == reasons(told(event({"text": "x"}, reason=google)))


@pytest.mark.parametrize(
    "reason", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "NO_IMAGE", "OTHER", "A_NEW_ONE"]
)
def test_a_model_that_got_lost_has_failed(reason: str) -> None:
    """So has one that says nothing and gives a reason that nobody knows."""
    for read in (lambda data: whole_answer(data, FRAME), told):
        with pytest.raises(BackendError, match=reason):
            read(event(reason=reason))


@pytest.mark.parametrize("reason", [None, "FINISH_REASON_UNSPECIFIED"])
def test_without_a_reason_it_is_not_whole(reason: str | None) -> None:
    """Some proxies write out that there is none."""
    with pytest.raises(BackendError, match="not whole"):
        whole_answer(event({"text": "x"}, reason=reason), FRAME)
    with pytest.raises(BackendError, match="in the middle"):
        told(event({"text": "x"}, reason=reason))


def test_what_is_said_after_the_end_is_not_part_of_it() -> None:
    """Nobody would know where to put it."""
    chunks = told(event({"text": "x"}, reason="STOP"), event({"text": "y"}, reason="STOP"))
    assert ["x", None] == [json.loads(chunk.data)["choices"][0]["delta"].get("content") for chunk in chunks]


def test_an_event_without_end_is_a_failure() -> None:
    """Memory is for others, too."""
    telling = Telling(FRAME)
    for _ in range(17):
        telling.feed(b"data: " + b"x" * (1 << 20))
    assert telling.done
    with pytest.raises(BackendError, match="larger than"):
        telling.finish()


def test_pictures_are_shown() -> None:
    """Where others have them, too."""
    data = event({"inlineData": {"mimeType": "image/png", "data": "AAAA"}}, reason="STOP")
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    assert [image] == json.loads(whole_answer(data, FRAME).data)["choices"][0]["message"]["images"]
    chunks = told(data)
    assert ([image], True) == (json.loads(chunks[0].data)["choices"][0]["delta"]["images"], chunks[0].visible)


def test_the_count_may_come_after_the_end() -> None:
    """The answer is complete with it, and what comes then does not matter."""
    late = json.dumps({"usageMetadata": {"promptTokenCount": 1, "toolUsePromptTokenCount": 2}}).encode()
    chunks = told(event({"text": "x"}, reason="STOP"), late, b"rubbish")
    assert [TokenUsage(3)] == [chunk.usage for chunk in chunks if chunk.usage is not None]
    assert [True] == [chunk.final for chunk in chunks if chunk.final]


def test_nobody_has_to_count() -> None:
    """Then there is no usage rather than none used."""
    data = event({"text": "x"}, reason="STOP")
    assert whole_answer(data, FRAME).usage is None
    assert [None, None] == [chunk.usage for chunk in told(data)]


def test_the_last_of_several_answers_is_the_end() -> None:
    """However they come; fewer than were asked for are also all there are."""
    counted = {"usageMetadata": {"promptTokenCount": 1}}
    second = json.dumps({"candidates": [{"index": 1, "finishReason": "STOP"}], **counted}).encode()
    frame = Frame("r", "m", 0, count=2)
    chunks = told(event({"text": "x"}, reason="STOP", **counted), second, frame=frame)
    assert [(0, "stop"), (1, "stop")] == reasons(chunks)
    assert [False, True] == [chunk.final for chunk in chunks if reasons([chunk])]
    assert [(0, "stop")] == reasons(told(event({"text": "x"}, reason="STOP", **counted), frame=frame))


def test_each_answer_is_introduced_once() -> None:
    """Also when its first event says nothing."""
    chunks = told(event(), event(), event({"text": "x"}, reason="STOP"))
    assert [True, False, False] == ["role" in json.loads(chunk.data)["choices"][0]["delta"] for chunk in chunks]


def test_a_completion_has_text_and_no_thoughts() -> None:
    """There is no place for them."""
    frame = Frame("r", "m", 0, Operation.COMPLETION)
    data = event({"text": "hm", "thought": True}, {"text": "x"}, reason="STOP")
    assert {"index": 0, "finish_reason": "stop", "logprobs": None, "text": "x"} == json.loads(
        whole_answer(data, frame).data
    )["choices"][0]
    assert ["x", ""] == [json.loads(chunk.data)["choices"][0]["text"] for chunk in told(data, frame=frame)]


@pytest.mark.parametrize(
    "data",
    [
        b"", b"null", b"[]", b"{}", b'"x"', b"{", b"[" * 100_000, b'{"candidates":[]}',
        b'{"candidates":[{"index":-1}]}',
        b'{"candidates":[{"index":99999999999}]}', b'{"candidates":[{"content":{"parts":[{"text":1}]}}]}',
        b'{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":99999999999999999999999}}',
        b'{"promptFeedback":{}}', b'{"error":{"code":500,"message":"x","status":"INTERNAL"}}', b'{"error":"x"}',
        b'[{"error":{"code":429,"message":"x","details":[{"retryDelay":"1s"}]}}]', b'[{"error":{"details":1}}]',
        b'{"error":{"code":99,"message":"x"}}', b"<html>no</html>", b"\xff",
    ],
)  # fmt: skip
def test_what_is_no_answer_is_a_failure(data: bytes) -> None:
    """With an error of ours, whatever it is."""
    with pytest.raises(RoundhouseError):
        whole_answer(data, FRAME)
    with pytest.raises(RoundhouseError):
        told(data)


def test_bytes_that_are_no_text_stay_readable() -> None:
    """In arguments, which are passed on as they come."""
    data = event({"functionCall": {"name": "f", "args": {"a": "?"}}}, reason="STOP").replace(b"?", b"\xff")
    (call,) = json.loads(whole_answer(data, FRAME).data)["choices"][0]["message"]["tool_calls"]
    assert '{"a":"\N{REPLACEMENT CHARACTER}"}' == call["function"]["arguments"]
