"""However the network cuts a stream of Google's, the same is told; whatever comes, only our errors leave."""

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from roundhouse.backends.kinds.gemini.asking import asked
from roundhouse.backends.kinds.gemini.failures import failure_in_stream, google_failure
from roundhouse.backends.kinds.gemini.frame import Frame
from roundhouse.backends.kinds.gemini.models import Page, deployments_of, known
from roundhouse.backends.kinds.gemini.saying import Telling, whole_answer
from roundhouse.backends.kinds.gemini.vectors import asked_texts, embedding_answer, read_vectors
from roundhouse.core.errors import RoundhouseError, SchemaError
from roundhouse.core.inference import Chunk, Operation

FRAME = Frame("r", "m", 0)
TEXTS = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=8)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
#: The words that mean something, so that what is drawn gets past the first look.
WORDS = st.sampled_from([
    "candidates", "content", "parts", "text", "thought", "thoughtSignature", "functionCall", "name", "args", "id",
    "inlineData", "mimeType", "data", "finishReason", "finishMessage", "index", "logprobsResult", "chosenCandidates",
    "topCandidates", "token", "logProbability", "promptFeedback", "blockReason", "usageMetadata", "promptTokenCount",
    "candidatesTokenCount", "thoughtsTokenCount", "cachedContentTokenCount", "error", "code", "message", "status",
    "details", "reason", "retryDelay", "violations", "quotaId", "quotaValue", "embeddings", "values", "role",
])  # fmt: skip
JSON = st.recursive(
    LEAVES | st.sampled_from(["STOP", "SAFETY", "OTHER", "34s"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=20,
)
PART = st.fixed_dictionaries(
    {},
    optional={"text": LEAVES, "thought": LEAVES, "thoughtSignature": LEAVES, "functionCall": JSON, "inlineData": JSON},
)
ANSWER = st.fixed_dictionaries({}, optional={
    "candidates": st.lists(st.fixed_dictionaries({}, optional={
        "content": st.fixed_dictionaries({"parts": st.lists(PART, max_size=3)}),
        "finishReason": st.sampled_from(["STOP", "MAX_TOKENS", "SAFETY", "OTHER", "MALFORMED_FUNCTION_CALL", ""]),
        "index": st.integers(-1, 300),
        "logprobsResult": JSON,
    }), max_size=3),
    "usageMetadata": JSON,
    "promptFeedback": JSON,
    "error": JSON,
})  # fmt: skip
HOSTILE = st.binary(max_size=64) | (JSON | ANSWER).map(lambda value: json.dumps(value).encode())


def stream_of(texts: list[str]) -> bytes:
    """What Google would send for these pieces of text."""
    events: list[dict[str, object]] = [{"candidates": [{"content": {"parts": [{"text": text}]}}]} for text in texts]
    events.append({"candidates": [{"finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 1}})
    return b"".join(b"data: " + json.dumps(each, ensure_ascii=False).encode() + b"\r\n\r\n" for each in events)


def told(data: bytes, cuts: list[int]) -> list[Chunk]:
    """What is told of *data* that comes in pieces."""
    telling, places = Telling(FRAME), sorted({0, len(data), *cuts})
    chunks = [chunk for begin, end in pairwise(places) for chunk in telling.feed(data[begin:end])]
    return chunks + telling.finish()


@given(TEXTS, st.data())
def test_the_cuts_of_the_network_change_nothing(texts: list[str], data: st.DataObject) -> None:
    """The chunks are the same, and their text is what was said."""
    stream = stream_of(texts)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=6))
    chunks = told(stream, cuts)
    assert told(stream, []) == chunks
    said = [choice["delta"].get("content", "") for chunk in chunks for choice in json.loads(chunk.data)["choices"]]
    assert "".join(texts) == "".join(said)


@given(TEXTS)
def test_every_split_in_two_is_the_same(texts: list[str]) -> None:
    """Also inside a character."""
    stream = stream_of(texts[:2])
    assert all(told(stream, []) == told(stream, [place]) for place in range(len(stream)))


@given(TEXTS, st.data())
def test_a_stream_without_its_end_is_never_taken_for_whole(texts: list[str], data: st.DataObject) -> None:
    """Wherever it is cut before the reason."""
    stream = stream_of(texts)
    telling = Telling(FRAME)
    telling.feed(stream[: data.draw(st.integers(0, stream.index(b"finishReason")))])
    try:
        telling.finish()
    except RoundhouseError as error:
        assert error.retryable  # noqa: PT017 - it has to be raised, and it has to be one
    else:
        raise AssertionError


@given(HOSTILE, st.sampled_from(list(Operation)))
def test_whatever_google_answers_only_our_errors_leave(data: bytes, operation: Operation) -> None:
    """And what is given out is JSON."""
    frame = Frame("r", "m", 0, operation)
    try:
        assert json.loads(whole_answer(data, frame).data)["choices"]
    except RoundhouseError as error:
        assert error.message  # noqa: PT017 - that it is ours is what counts
    try:
        vectors = read_vectors(data, 1, 2)
        assert json.loads(embedding_answer([vectors], "m", in_text=False).data)["data"]
    except RoundhouseError as error:
        assert error.message  # noqa: PT017


@given(st.lists(HOSTILE, max_size=4), st.sampled_from([Operation.CHAT, Operation.COMPLETION]))
def test_whatever_google_streams_only_our_errors_leave(events: list[bytes], operation: Operation) -> None:
    """At most one chunk is the end, and it comes unless an error does."""
    telling = Telling(Frame("r", "m", 0, operation))
    chunks: list[Chunk] = []
    for event in events:
        chunks += telling.feed(b"data: " + event + b"\n\n")
    assert all(json.loads(chunk.data)["object"] for chunk in chunks)
    try:
        chunks += telling.finish()
    except RoundhouseError as error:
        assert error.message  # noqa: PT017
    else:
        assert 1 == sum(chunk.final for chunk in chunks)


@given(HOSTILE, st.integers(100, 599))
def test_whatever_google_refuses_with_is_an_error_of_ours(data: bytes, status: int) -> None:
    """It is made, not raised."""
    assert isinstance(google_failure(status, {}, data), RoundhouseError)
    assert isinstance(failure_in_stream(data), RoundhouseError)


@given(HOSTILE, st.sampled_from(["gemini-2.5-pro", "gemini-3-flash", "gemma-3"]), st.sampled_from(list(Operation)))
def test_whatever_a_client_asks_only_our_errors_leave(data: bytes, model: str, operation: Operation) -> None:
    """A body that cannot be said is refused, never a failure of ours."""
    heeded = known(model)
    for body in (data, b'{"messages":' + data + b"}", b'{"messages":[{"role":"user","content":' + data + b"}]}"):
        try:
            assert json.loads(asked(operation, body, heeded.thinker, heeded.hearer)[0])
        except SchemaError as error:
            assert error.message  # noqa: PT017
        try:
            assert asked_texts(body).texts
        except SchemaError as error:
            assert error.message  # noqa: PT017


def test_an_empty_page_is_a_list_of_nothing() -> None:
    """What is empty is left out."""
    assert [] == deployments_of(Page().models, "google", (), local=False)
