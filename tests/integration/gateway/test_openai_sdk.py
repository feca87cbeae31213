"""The real `openai` package against the gateway on a real port."""

import base64
import json
import struct
from collections.abc import AsyncIterator, Iterator, Mapping

import openai
import pytest

from roundhouse.core.errors import AuthError, BackendError, LimitError, NotFoundError, SchemaError
from roundhouse.core.inference import Chunk
from roundhouse.testing.serving import ScriptedServing

pytestmark = pytest.mark.slow

ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "tiny",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop", "logprobs": None}
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
    "timings": {"predicted_per_second": 9.5},
}
MESSAGES: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "hello"}]


def chunk(delta: Mapping[str, object], finish: str | None = None, **more: object) -> Chunk:
    """One piece of a chat answer."""
    content = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "tiny",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        **more,
    }
    return Chunk(json.dumps(content).encode(), visible=bool(delta), final=finish is not None)


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    """The SDK with its own defaults, retries included."""
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none") as client:
        yield client


@pytest.fixture
async def async_client(url: str) -> AsyncIterator[openai.AsyncOpenAI]:
    """The same, async."""
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none") as client:
        yield client


def test_chat(client: openai.OpenAI, serving: ScriptedServing) -> None:
    """A whole answer, with the fields that the SDK does not know."""
    serving.reply = json.dumps(ANSWER).encode()
    answer = client.chat.completions.create(model="tiny", messages=MESSAGES, extra_body={"top_k": 5})
    assert answer.choices[0].message.content == "hi"
    assert answer.model_extra == {"timings": {"predicted_per_second": 9.5}}
    assert json.loads(serving.requests[0].body)["top_k"] == 5


def test_request_id(client: openai.OpenAI, serving: ScriptedServing) -> None:
    """The SDK finds the id where it looks for it, and it is the record's."""
    serving.reply = json.dumps(ANSWER).encode()
    answer = client.chat.completions.create(model="tiny", messages=MESSAGES)
    assert answer._request_id == serving.requests[0].id


def test_headers(client: openai.OpenAI, serving: ScriptedServing) -> None:
    """Who answered is in the headers."""
    serving.reply = json.dumps(ANSWER).encode()
    raw = client.chat.completions.with_raw_response.create(model="tiny", messages=MESSAGES)
    assert (raw.headers["x-roundhouse-backend"], raw.headers["x-roundhouse-attempts"]) == ("fake", "1")


def test_stream(client: openai.OpenAI, serving: ScriptedServing) -> None:
    """Pieces arrive as they were sent."""
    serving.steps = [chunk({"role": "assistant"}), chunk({"content": "h"}), chunk({"content": "i"}), chunk({}, "stop")]
    pieces = list(client.chat.completions.create(model="tiny", messages=MESSAGES, stream=True))
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == "hi"
    assert pieces[-1].choices[0].finish_reason == "stop"


def test_stream_with_usage(client: openai.OpenAI, serving: ScriptedServing) -> None:
    """The usage chunk has no choices."""
    usage = {
        "choices": [],
        "usage": ANSWER["usage"],
        "id": "1",
        "created": 1,
        "model": "m",
        "object": "chat.completion.chunk",
    }
    serving.steps = [chunk({"content": "x"}), chunk({}, "stop"), Chunk(json.dumps(usage).encode(), usage_only=True)]
    options: openai.types.chat.ChatCompletionStreamOptionsParam = {"include_usage": True}
    pieces = list(client.chat.completions.create(model="tiny", messages=MESSAGES, stream=True, stream_options=options))
    assert pieces[-1].usage is not None
    assert (pieces[-1].usage.total_tokens, serving.requests[0].wants_usage) == (4, True)


def test_stream_of_a_tool_call(client: openai.OpenAI, serving: ScriptedServing) -> None:
    """Arguments come in pieces under one index."""
    first = {
        "tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a"'}}]
    }
    rest = {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]}
    serving.steps = [chunk(first), chunk(rest), chunk({}, "tool_calls")]
    tool: openai.types.chat.ChatCompletionFunctionToolParam = {"type": "function", "function": {"name": "f"}}
    stream = client.chat.completions.create(model="tiny", messages=MESSAGES, tools=[tool], stream=True)
    calls = [call for piece in stream for call in piece.choices[0].delta.tool_calls or []]
    assert "".join(call.function.arguments or "" for call in calls if call.function) == '{"a":1}'


def test_unknown_delta_fields_pass(client: openai.OpenAI, serving: ScriptedServing) -> None:
    """Local servers send their reasoning under names of their own."""
    serving.steps = [chunk({"reasoning_content": "hm"}), chunk({}, "stop")]
    first = next(iter(client.chat.completions.create(model="tiny", messages=MESSAGES, stream=True)))
    assert (first.choices[0].delta.model_extra or {})["reasoning_content"] == "hm"


def test_error_in_the_stream(client: openai.OpenAI, serving: ScriptedServing) -> None:
    """The SDK raises what the last event says, after the pieces that came."""
    serving.steps = [chunk({"content": "x"}), BackendError("the backend died")]
    pieces: list[openai.types.chat.ChatCompletionChunk] = []
    with pytest.raises(openai.APIError, match="the backend died") as caught:
        pieces.extend(client.chat.completions.create(model="tiny", messages=MESSAGES, stream=True))
    assert caught.value.code == "E_BACKEND"


def test_completion(client: openai.OpenAI, serving: ScriptedServing) -> None:
    """The old dialect."""
    choice = {"index": 0, "text": "upon", "finish_reason": "stop", "logprobs": None}
    serving.reply = json.dumps({**ANSWER, "object": "text_completion", "choices": [choice]}).encode()
    assert client.completions.create(model="tiny", prompt="once").choices[0].text == "upon"


def test_embeddings(client: openai.OpenAI, serving: ScriptedServing) -> None:
    """The SDK asks for base64 unless told otherwise, and turns it into floats."""
    vector = base64.b64encode(struct.pack("<3f", 0.5, -1.0, 2.0)).decode()
    data = [{"object": "embedding", "index": 0, "embedding": vector}]
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    serving.reply = json.dumps({"object": "list", "model": "tiny", "data": data, "usage": usage}).encode()
    answer = client.embeddings.create(model="tiny", input="hello")
    assert answer.data[0].embedding == [0.5, -1.0, 2.0]
    assert json.loads(serving.requests[0].body)["encoding_format"] == "base64"


def test_models(client: openai.OpenAI) -> None:
    """The list, and one of it."""
    assert [model.id for model in client.models.list()] == ["tiny", "owner/repo:Q4_K_M"]
    assert client.models.retrieve("owner/repo:Q4_K_M").owned_by == "fake"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (SchemaError("no"), openai.UnprocessableEntityError),
        (NotFoundError("no"), openai.NotFoundError),
        (AuthError("no"), openai.AuthenticationError),
        (BackendError("no"), openai.InternalServerError),
        (LimitError("no", retry_after_s=0.0), openai.RateLimitError),
    ],
)
def test_errors(
    error: Exception, expected: type[openai.APIStatusError], client: openai.OpenAI, serving: ScriptedServing
) -> None:
    """Each becomes the SDK's own kind, with our code."""
    assert isinstance(error, AuthError | BackendError | LimitError | NotFoundError | SchemaError)
    serving.reply = error
    with pytest.raises(expected) as caught:
        client.chat.completions.create(model="tiny", messages=MESSAGES)
    assert caught.value.code == error.code
    assert caught.value.request_id


def test_the_sdk_does_not_multiply_our_retries(client: openai.OpenAI, serving: ScriptedServing) -> None:
    """It retries 5xx twice, unless told that it makes no sense."""
    serving.reply = BackendError()
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model="tiny", messages=MESSAGES)
    assert len(serving.requests) == 1


def test_the_sdk_comes_back_when_told_when(client: openai.OpenAI, serving: ScriptedServing) -> None:
    """A rate limit passes."""
    serving.reply = LimitError(retry_after_s=0.0)
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model="tiny", messages=MESSAGES)
    assert len(serving.requests) == 3


def test_a_wrong_key(url: str, serving: ScriptedServing) -> None:
    """A key of our form has to be right."""
    with (
        openai.OpenAI(base_url=f"{url}/v1", api_key="rh-AAAAAAAA-x") as client,
        pytest.raises(openai.AuthenticationError),
    ):
        client.models.list()
    assert not serving.requests


async def test_async_chat(async_client: openai.AsyncOpenAI, serving: ScriptedServing) -> None:
    """The async client speaks the same."""
    serving.reply = json.dumps(ANSWER).encode()
    answer = await async_client.chat.completions.create(model="tiny", messages=MESSAGES)
    assert answer.choices[0].message.content == "hi"


async def test_async_stream(async_client: openai.AsyncOpenAI, serving: ScriptedServing) -> None:
    """The async client streams the same."""
    serving.steps = [chunk({"content": "h"}), chunk({"content": "i"}), chunk({}, "stop")]
    stream = await async_client.chat.completions.create(model="tiny", messages=MESSAGES, stream=True)
    assert [piece.choices[0].delta.content async for piece in stream] == ["h", "i", None]
