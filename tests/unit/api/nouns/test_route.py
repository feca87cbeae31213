"""``/route/explain``."""

import httpx2
import pytest

from roundhouse.api.fields import ExplainRequest
from roundhouse.api.nouns.route import question_of
from roundhouse.core.inference import Operation


@pytest.mark.parametrize(
    ("fields", "operation"),
    [
        ({}, Operation.CHAT),
        ({"messages": []}, Operation.CHAT),
        ({"prompt": "once"}, Operation.COMPLETION),
        ({"input": "word"}, Operation.EMBEDDING),
        ({"query": "word", "documents": ["words"]}, Operation.RERANK),
        ({"messages": [], "prompt": "x", "input": "y"}, Operation.CHAT),
        ({"input": "word", "operation": "chat"}, Operation.CHAT),
    ],
)
def test_the_kind_of_request_is_told_by_its_fields(fields: dict[str, object], operation: Operation) -> None:
    """What is said wins; otherwise the fields tell."""
    assert question_of(ExplainRequest.model_validate({"model": "auto", **fields}), 9).operation == operation


def test_unknown_fields_go_along() -> None:
    """The body arrives as it was sent, without the word that only this address knows."""
    body = {"model": "auto", "messages": [], "tools": [{"type": "function"}]}
    question = question_of(ExplainRequest.model_validate({**body, "operation": "chat"}), 120)
    assert (question.body, question.size) == (body, 120)


async def test_explain(user: httpx2.AsyncClient) -> None:
    """The candidates come in order with every factor, and the refused with their reason."""
    answer = (await user.post("/route/explain", json={"model": "auto", "messages": []})).json()
    assert (answer["chosen"], answer["error"]) == ("local/acme/tiny:Q4_K_M", None)
    assert [candidate["rank"] for candidate in answer["candidates"]] == [1, 2]
    assert answer["candidates"][0]["factors"]["latency"] == {"value": 0.8, "weight": 0.3, "points": 24.0}
    assert answer["refused"] == [{"id": "local/acme/embed:F16", "reason": "it cannot chat"}]


async def test_explain_an_unknown_model(user: httpx2.AsyncClient) -> None:
    """That nobody serves it is the answer to the question."""
    answer = await user.post("/route/explain", json={"model": "nobody"})
    assert (answer.status_code, answer.json()["chosen"]) == (200, None)
    assert answer.json()["error"]["code"] == "E_NOTFOUND"
