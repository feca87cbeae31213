import json

import pytest

from roundhouse.backends.wire.chunks import ChunkReader, read_answer
from roundhouse.core.errors import BackendError, LimitError, SchemaError
from roundhouse.core.inference import Chunk, Operation, TokenUsage


def read(**fields: object) -> Chunk:
    """One chunk, read as the first of a stream."""
    return ChunkReader().read(json.dumps(fields).encode())


def choice(index: int = 0, reason: str | None = None, content: str | None = None) -> dict[str, object]:
    """One choice of a chunk."""
    return {"index": index, "delta": {} if content is None else {"content": content}, "finish_reason": reason}


def with_delta(delta: dict[str, object]) -> dict[str, object]:
    """One choice with this delta."""
    return {"index": 0, "delta": delta, "finish_reason": None}


@pytest.mark.parametrize(
    "delta",
    [
        {"content": "a"},
        {"reasoning_content": "hm"},
        {"reasoning": "hm"},
        {"refusal": "no"},
        {"tool_calls": [{"index": 0, "function": {"name": "f"}}]},
        {"function_call": {"name": "f"}},
        {"content": [{"type": "text", "text": "a"}]},
        {"audio": {"data": "…"}},
    ],
)
def test_what_a_person_would_see_is_visible(delta: dict[str, object]) -> None:
    """Text, thoughts, refusals and tool calls are the point of no return."""
    assert read(choices=[with_delta(delta)]).visible


@pytest.mark.parametrize("delta", [{}, {"role": "assistant"}, {"role": "assistant", "content": ""}, {"content": None}])
def test_an_opening_is_not_visible(delta: dict[str, object]) -> None:
    """After the role alone, another backend may still take over."""
    assert not read(choices=[with_delta(delta)]).visible


def test_the_text_of_a_completion_is_visible() -> None:
    """Completions have ``text`` where chats have a delta."""
    assert read(choices=[{"index": 0, "text": "a", "finish_reason": None}]).visible


def test_the_bytes_are_not_touched() -> None:
    """What the backend sent is what the client gets, unknown keys and odd spaces included."""
    payload = b'{ "choices":[ {"index":0,"delta":{"content":"a","odd":1}} ], "x" : null}'
    assert payload == ChunkReader().read(payload).data


def test_a_finish_reason_is_final() -> None:
    """The answer is complete even if the connection ends now."""
    assert read(choices=[choice(reason="stop")]).final


def test_the_last_choice_to_finish_is_final() -> None:
    """With n > 1 one finished choice does not complete the answer."""
    reader = ChunkReader()
    for index in (0, 1):
        reader.read(json.dumps({"choices": [choice(index, None, "a")]}).encode())
    finals = [reader.read(json.dumps({"choices": [choice(index, "stop")]}).encode()).final for index in (0, 1)]
    assert [False, True] == finals


def test_usage_may_come_on_any_chunk() -> None:
    """Some backends send it with the finish reason, or all the time."""
    chunk = read(choices=[choice(content="a")], usage={"prompt_tokens": 3, "completion_tokens": 1})
    assert (TokenUsage(3, 1), False) == (chunk.usage, chunk.usage_only)


def test_a_chunk_without_choices_is_only_usage() -> None:
    """It can be kept from clients that did not ask."""
    details = {"cached_tokens": 2}
    chunk = read(choices=[], usage={"prompt_tokens": 3, "completion_tokens": 1.0, "prompt_tokens_details": details})
    assert (TokenUsage(3, 1, 2), True) == (chunk.usage, chunk.usage_only)


def test_usage_with_an_empty_delta_becomes_only_usage() -> None:
    """LiteLLM's form after the finish reason is put into OpenAI's."""
    reader = ChunkReader()
    reader.read(json.dumps({"choices": [choice(reason="stop")]}).encode())
    chunk = reader.read(json.dumps({"choices": [choice()], "usage": {"prompt_tokens": 3}}).encode())
    assert (True, []) == (chunk.usage_only, json.loads(chunk.data)["choices"])


def test_null_usage_is_no_usage() -> None:
    """OpenAI sends it on every chunk but the last."""
    assert read(choices=[choice(content="a")], usage=None, error=None).usage is None


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"error": {"message": "overloaded", "type": "server_error"}}, BackendError, "overloaded"),
        ({"error": {"message": "slow down", "code": 429}}, LimitError, "slow down"),
        ({"error": {"message": "too long", "code": "400"}}, SchemaError, "too long"),
        ({"error": "just text"}, BackendError, "just text"),
        ({"object": "error", "message": "vllm says no", "code": 500}, BackendError, "vllm says no"),
        ({"choices": [choice()], "error": {"message": "openrouter says no", "code": 502}}, BackendError, "openrouter"),
    ],
)
def test_an_error_after_200_is_an_error(fields: dict[str, object], error: type[Exception], message: str) -> None:
    """In all the shapes that real servers give it."""
    with pytest.raises(error, match=message):
        read(**fields)


@pytest.mark.parametrize("payload", [b"{", b"[]", b"hello", b'{"choices":3}', b"\xff", b"[" * 100_000])
def test_what_is_no_chunk_is_a_backend_error(payload: bytes) -> None:
    """Nonsense is the backend's failure, never a crash of ours."""
    with pytest.raises(BackendError):
        ChunkReader().read(payload)


def test_a_forgotten_finish_reason_is_made_up_for() -> None:
    """After ``[DONE]`` the answer was complete, so the client gets the chunk that says so."""
    reader = ChunkReader()
    reader.read(json.dumps({"id": "x", "model": "m", "choices": [choice(content="a")]}).encode())
    chunk = reader.closing()
    expected = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}
    assert (True, "x", [expected]) == (chunk.final, json.loads(chunk.data)["id"], json.loads(chunk.data)["choices"])


def test_nothing_cannot_be_finished() -> None:
    """A stream without an answer is a failure."""
    with pytest.raises(BackendError):
        ChunkReader().closing()


def test_a_whole_answer_says_its_usage() -> None:
    """And its bytes stay as they are."""
    data = b'{"choices": [{"message": {}}], "usage": {"prompt_tokens": 4, "completion_tokens": 2}}'
    answer = read_answer(data, Operation.CHAT)
    assert (data, TokenUsage(4, 2)) == (answer.data, answer.usage)


def test_usage_that_counts_nothing_is_none() -> None:
    """Unknown is not zero."""
    assert read_answer(b'{"choices": [{}], "usage": {}}', Operation.CHAT).usage is None


@pytest.mark.parametrize(
    "data",
    [b"<html>", b"{}", b'{"choices": []}', b'{"data": [{}]}', b'{"error": {"message": "no"}}', b"\xff\xfe", b"1"],
)
def test_what_is_no_answer_is_a_backend_error(data: bytes) -> None:
    """A status of 200 alone does not make an answer."""
    with pytest.raises(BackendError):
        read_answer(data, Operation.CHAT)


def test_an_error_inside_a_choice_may_be_escaped() -> None:
    """It is no answer, however its name is spelt."""
    answer = b'{"choices":[{"message":{"content":"a"},"\\u0065rror":{"message":"lost","code":429}}]}'
    with pytest.raises(LimitError, match="lost"):
        read_answer(answer, Operation.CHAT)


def test_a_usage_that_cannot_be_read_is_none() -> None:
    """Bookkeeping is no reason to lose an answer."""
    usage = b'{"prompt_tokens":1,"cost":"\xff"}'
    piece = b'{"choices":[{"index":0,"delta":{},"finish_reason":"stop","usage":%b}]}' % usage
    assert ChunkReader().read(piece).usage is None


def test_a_name_that_is_no_text_is_a_backend_error() -> None:
    """It is passed over when a chunk is read, and not when one is made of it."""
    reader = ChunkReader()
    reader.read(b'{"\xff":1,"choices":[{"index":0,"delta":{"content":"a"}}]}')
    with pytest.raises(BackendError):
        reader.closing()
    reader.read(json.dumps({"choices": [choice(reason="stop")]}).encode())
    with pytest.raises(BackendError):
        reader.read(b'{"\xff":1,"choices":[{"index":0,"delta":{}}],"usage":{"prompt_tokens":1}}')
