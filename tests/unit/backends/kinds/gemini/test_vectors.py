"""Embeddings, where the fake does not say such things."""

import json

import pytest

from roundhouse.backends.kinds.gemini.vectors import asked_texts, embedding_answer, read_vectors
from roundhouse.core.errors import RoundhouseError, SchemaError
from roundhouse.core.inference import TokenUsage


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"input":[]}', b'{"input":""}', b'{"input":["a",""]}', b'{"input":[1]}']
)
def test_what_cannot_be_embedded_is_refused(body: bytes) -> None:
    """Tokens, for one."""
    with pytest.raises(SchemaError):
        asked_texts(body)


def test_what_the_vectors_are_for_can_be_said() -> None:
    """In Google's words; each text is a content of its own, for those of one content become one vector."""
    ((_, body),) = asked_texts(b'{"input":["a","b"],"task_type":"RETRIEVAL_QUERY"}').bodies("models/m")
    requests = [
        {"model": "models/m", "taskType": "RETRIEVAL_QUERY", "content": {"parts": [{"text": text}]}} for text in "ab"
    ]
    assert {"requests": requests} == json.loads(body)


def test_tokens_are_told_when_somebody_counted_them() -> None:
    """Newer versions do."""
    data = b'{"embeddings":[{"values":[1.5]}],"usageMetadata":{"promptTokenCount":3}}'
    batches = [read_vectors(data, 1, None)] * 2
    answer = embedding_answer(batches, "m", in_text=False)
    assert TokenUsage(6) == answer.usage
    assert [[1.5], [1.5]] == [each["embedding"] for each in json.loads(answer.data)["data"]]


def test_a_vector_of_nothing_stays_one() -> None:
    """It has no direction."""
    assert [[0.0, 0.0]] == read_vectors(b'{"embeddings":[{"values":[0,0]}]}', 1, 2).vectors


@pytest.mark.parametrize(
    "data",
    [
        b"", b"null", b"{}", b"[]", b'{"embeddings":[{}]}', b'{"embeddings":[{"values":[]}]}', b"[" * 100_000,
        b'{"embeddings":[{"values":[1]},{"values":[1]}]}', b'{"embeddings":[{"values":[1e999]}]}',
        b'{"embeddings":[{"values":["x"]}]}', b'{"error":{"code":500,"message":"x"}}',
    ],
)  # fmt: skip
def test_what_is_no_vector_is_a_failure(data: bytes) -> None:
    """With an error of ours, whatever it is."""
    with pytest.raises(RoundhouseError):
        read_vectors(data, 1, 2)


def test_vectors_of_another_length_than_wanted_are_not_passed_on() -> None:
    """They would do harm where they are stored."""
    with pytest.raises(SchemaError, match="gives 3 numbers here, and not 2"):
        read_vectors(b'{"embeddings":[{"values":[1,2,3]}]}', 1, 2)
