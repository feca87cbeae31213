"""The port Backend where documents are put in order, over all that does that."""

import json

import pytest

from roundhouse.core.errors import SchemaError
from roundhouse.core.inference import Operation
from roundhouse.testing.asking import ask, ask_rerank
from roundhouse.testing.subject import Subject


async def test_it_puts_documents_in_order(subject: Subject, ranking: str) -> None:
    """Each once, the best first, and with what was read."""
    deployment = await subject.deployment(ranking)
    answer = await subject.backend.answer(ask_rerank("the engine turns", "fog", "the wheel", "engine"), deployment)
    results = json.loads(answer.data)["results"]
    scores = [result["relevance_score"] for result in results]
    assert ({0, 1, 2}, sorted(scores, reverse=True)) == ({result["index"] for result in results}, scores)
    assert answer.usage is not None
    assert (True, 0) == (answer.usage.prompt > 0, answer.usage.completion)


async def test_as_many_documents_as_wanted_come_back(subject: Subject, ranking: str) -> None:
    """With their texts, if those are wanted, also when they came as objects."""
    deployment = await subject.deployment(ranking)
    request = ask_rerank("the engine turns", {"text": "fog"}, "the wheel", top_n=1, return_documents=True)
    [best] = json.loads((await subject.backend.answer(request, deployment)).data)["results"]
    assert {"text": ["fog", "the wheel"][best["index"]]} == best["document"]


async def test_a_question_without_documents_is_the_clients_error(subject: Subject, ranking: str) -> None:
    """Nobody could answer it."""
    with pytest.raises(SchemaError):
        await subject.backend.answer(ask(Operation.RERANK, {"query": "x"}), await subject.deployment(ranking))
