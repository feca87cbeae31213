import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse.backends.wire.reasoning import with_both_names


def said(**part: object) -> bytes:
    """A chunk with this delta."""
    return json.dumps({"id": "1", "choices": [{"index": 0, "delta": part, "finish_reason": None}]}).encode()


def test_what_was_thought_has_both_names() -> None:
    """And everything else is as it was."""
    chunk = json.loads(with_both_names(said(reasoning="hm", role="assistant")))
    assert {"reasoning": "hm", "reasoning_content": "hm", "role": "assistant"} == chunk["choices"][0]["delta"]


def test_names_may_be_escaped() -> None:
    """To a client it is the same; what is there under both names is left alone."""
    new = said(reasoning="hm").replace(b'"reasoning"', b'"re\\u0061soning"')
    assert "hm" == json.loads(with_both_names(new))["choices"][0]["delta"]["reasoning_content"]
    both = said(reasoning="a", reasoning_content="b").replace(b'"reasoning_c', b'"re\\u0061soning_c')
    assert both == with_both_names(both)


@pytest.mark.parametrize(
    "data",
    [
        said(content='the word "reasoning" in a text'),
        said(reasoning="a", reasoning_content="b"),
        said(reasoning=None),
        said(reasoning={"effort": "high"}),
        b'{"reasoning":{"effort":"low"},"choices":[]}',
        b'{"choices":[{"delta":"reasoning"}],"x":"reasoning"}',
        b'{"choices":"reasoning"}',
        b'"reasoning"',
        b'{"reasoning"',
    ],
)
def test_all_else_is_left_alone(data: bytes) -> None:
    """Byte by byte."""
    assert data == with_both_names(data)


@given(st.text(), st.text())
def test_no_thought_is_lost(thought: str, text: str) -> None:
    """Whatever is in it."""
    delta = json.loads(with_both_names(said(reasoning=thought, content=text)))["choices"][0]["delta"]
    assert (thought, thought, text) == (delta["reasoning"], delta["reasoning_content"], delta["content"])
