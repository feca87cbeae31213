import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse.backends.kinds.ollama.vectors import asked_texts, embedding_answer, read_vectors, shared
from roundhouse.backends.wire.embedding_cache import Vector
from roundhouse.core.errors import BackendError, SchemaError
from roundhouse.core.inference import TokenUsage


@given(st.integers(0, 10_000), st.lists(st.integers(0, 1000), min_size=1, max_size=20))
def test_shares_add_up(tokens: int, lengths: list[int]) -> None:
    """Nobody pays twice, and nothing is forgotten."""
    expected = tokens if any(lengths) else 0
    assert expected == sum(shared(tokens, lengths))


@pytest.mark.parametrize("body", [{}, {"input": []}, {"input": [1, 2]}, {"input": ""}, {"input": ["a", ""]}])
def test_only_text_is_embedded(body: dict[str, object]) -> None:
    """Tokens of another tokenizer mean something else here."""
    with pytest.raises(SchemaError):
        asked_texts(json.dumps(body).encode())


@pytest.mark.parametrize("data", [b"{}", b'{"embeddings":[[1]]}', b'{"error":"no"}', b"x", b'{"embeddings":[1,2]}'])
def test_every_text_gets_its_numbers_or_nobody(data: bytes) -> None:
    """A list that is too short is no answer."""
    with pytest.raises(BackendError):
        read_vectors(data, ["a", "b"])


def test_numbers_are_passed_on_as_they_were_written() -> None:
    """Not a digit is lost."""
    answer = embedding_answer([Vector(b"[0.1234567890123456789]", 4)], "m", 4, in_text=False)
    assert b"[0.1234567890123456789]" in answer.data
    assert TokenUsage(4, 0, 4) == answer.usage
