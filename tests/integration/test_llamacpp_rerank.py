"""A model that puts documents in order, at the real llama.cpp."""

import json
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from roundhouse.core.errors import SchemaError
from roundhouse.core.inference import Capability
from roundhouse.testing.asking import ask_rerank
from roundhouse.testing.noise import loadable, write_reranker
from roundhouse.testing.runtime import LIMITS, Runtime

pytestmark = pytest.mark.slow

ENVIRON = dict(os.environ)  # noqa: TID251 - scrubbed on the way
DOCUMENTS = ("steam and coal", "the river", "a wheel turns", "fog")


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncIterator[Runtime]:
    """A reranker that knows nothing."""
    made = Runtime(ENVIRON, loadable(write_reranker(tmp_path / "rank.gguf")), limits=replace(LIMITS, context=2048))
    yield made
    await made.backend.close()


async def scores(runtime: Runtime, *documents: object, **fields: object) -> list[tuple[int, float]]:
    """Places and scores, best first."""
    answer = await runtime.backend.answer(ask_rerank("the engine", *documents, **fields), await runtime.deployment())
    assert answer.usage is not None
    assert answer.usage.prompt > 0
    return [(each["index"], each["relevance_score"]) for each in json.loads(answer.data)["results"]]


async def test_documents_are_put_in_order(runtime: Runtime) -> None:
    """Each pair has a score of its own, whatever stands beside it."""
    ordered = await scores(runtime, *DOCUMENTS)
    assert {0, 1, 2, 3} == {index for index, _ in ordered}
    assert sorted((score for _, score in ordered), reverse=True) == [score for _, score in ordered]
    assert len({score for _, score in ordered}) > 1
    for index, score in ordered:
        [(_, alone)] = await scores(runtime, {"text": DOCUMENTS[index]})
        assert pytest.approx(score, abs=1e-3) == alone
    assert [index for index, _ in ordered[:2]] == [index for index, _ in await scores(runtime, *DOCUMENTS, top_n=2)]


async def test_it_does_nothing_else(runtime: Runtime) -> None:
    """It says so, so that nobody asks."""
    assert {Capability.RERANK} == (await runtime.deployment()).capabilities


async def test_a_long_document_is_read_whole(runtime: Runtime) -> None:
    """As long as the context, not only one batch of 512 tokens."""
    answer = await runtime.backend.answer(ask_rerank("the engine", " steam" * 200), await runtime.deployment())
    assert answer.usage is not None
    assert answer.usage.prompt > 1000


async def test_a_document_beyond_the_context_is_the_clients_error(runtime: Runtime) -> None:
    """Never cut in silence."""
    with pytest.raises(SchemaError, match="context"):
        await scores(runtime, " steam" * 3000)
