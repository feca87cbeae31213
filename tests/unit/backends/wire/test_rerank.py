import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse.backends.wire import rerank
from roundhouse.core.errors import BackendError, RoundhouseError, SchemaError
from roundhouse.core.inference import TokenUsage

QUESTION = {"model": "m", "query": "engine", "documents": ["steam", {"text": "wheel"}, "fog"]}


def asked(**fields: object) -> rerank.Question:
    """The question with something changed."""
    return rerank.read(json.dumps({**QUESTION, **fields}).encode())


def result(index: int, score: float, **fields: object) -> dict[str, object]:
    """One result as backends give it."""
    return {"index": index, "relevance_score": score, **fields}


GIVEN = {"results": [result(0, 0.1), result(1, 0.9), result(2, -4)]}


def answered(given: object = GIVEN, **fields: object) -> dict[str, object]:
    """What the client gets."""
    answer: dict[str, object] = json.loads(rerank.answered(json.dumps(given).encode(), asked(**fields)).data)
    return answer


def test_every_backend_gets_texts() -> None:
    """llama-server knows nothing else; what comes back from us is not asked of them."""
    body = json.loads(asked(return_documents=True, top_n=2, rank_fields=["x"]).body)
    expected = {"model": "m", "query": "engine", "documents": ["steam", "wheel", "fog"], "top_n": 2}
    assert {**expected, "rank_fields": ["x"]} == body


@pytest.mark.parametrize(
    "fields",
    [
        {"query": None},
        {"query": ["engine"]},
        {"documents": None},
        {"documents": []},
        {"documents": "steam"},
        {"documents": [1]},
        {"documents": [{"title": "steam"}]},
        {"top_n": 0},
        {"top_n": "two"},
    ],
)
def test_what_is_no_question_is_the_clients_error(fields: dict[str, object]) -> None:
    """Before anybody is asked."""
    with pytest.raises(SchemaError):
        asked(**fields)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"query":' + b"[" * 100_000])
def test_what_is_no_object_is_the_clients_error(body: bytes) -> None:
    """However odd."""
    with pytest.raises(SchemaError):
        rerank.read(body)


def test_the_best_is_first() -> None:
    """Also from those that leave the order as it was."""
    assert {"object": "list", "results": [result(1, 0.9), result(0, 0.1), result(2, -4.0)]} == answered()


def test_no_more_than_asked_for() -> None:
    """Also from those that do not know ``top_n``."""
    assert [result(1, 0.9)] == answered(top_n=1)["results"]
    assert 3 == len(answered(top_n=7)["results"])  # type: ignore[arg-type]


def test_documents_come_back_to_those_who_asked() -> None:
    """As vLLM and Jina show them; and only to those, though Cohere sends them always."""
    assert [result(1, 0.9, document={"text": "wheel"})] == answered(top_n=1, return_documents=True)["results"]
    sent = {"results": [result(1, 0.9, document={"text": "wheel"}, title="x")]}
    assert [result(1, 0.9)] == answered(sent)["results"]


@pytest.mark.parametrize(
    ("counted", "expected"),
    [
        ({"usage": {"prompt_tokens": 7, "total_tokens": 9}}, 7),
        ({"usage": {"total_tokens": 9}}, 9),
        ({"meta": {"tokens": {"input_tokens": 5, "output_tokens": 0}, "billed_units": {"search_units": 1}}}, 5),
        ({"meta": {"billed_units": {"total_tokens": 4}}}, 4),
        ({"meta": {"billed_units": {"search_units": 1}}}, None),
        ({"usage": None, "meta": None}, None),
        ({}, None),
    ],
)
def test_what_was_read_is_counted(counted: dict[str, object], expected: int | None) -> None:
    """Wherever it stands; units that are no tokens are not taken for some."""
    answer = rerank.answered(json.dumps({**GIVEN, **counted}).encode(), asked())
    assert (None if expected is None else TokenUsage(prompt=expected)) == answer.usage
    shown = None if expected is None else {"prompt_tokens": expected, "total_tokens": expected}
    assert shown == json.loads(answer.data).get("usage")


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"results": []},
        {"results": [{"index": 0}]},
        {"results": [result(3, 1)]},
        {"results": [result(-1, 1)]},
        {"results": [result(0, 1), result(0, 2)]},
        {"results": [{"index": "0", "relevance_score": 1}]},
        {"results": [{"index": 0, "relevance_score": "NaN"}]},
        {"error": {"message": "overloaded", "code": 500}},
        [],
    ],
)
def test_what_is_no_order_is_the_backends_error(given: object) -> None:
    """Another backend may know better."""
    with pytest.raises(BackendError):
        answered(given)


_JSON = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(), lambda each: st.lists(each) | st.dictionaries(st.text(), each)
)


@given(_JSON)
def test_nothing_foreign_gets_out(given: object) -> None:
    """Whatever a backend says, it is an answer or an error of ours."""
    for whole in (given, {"results": given}, {"results": [given]}, {**GIVEN, "usage": given, "meta": given}):
        with suppress(RoundhouseError):
            assert rerank.answered(json.dumps(whole).encode(), asked()).data
