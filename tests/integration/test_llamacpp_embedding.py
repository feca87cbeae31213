"""Embeddings of long texts, and of a chosen length, from the real llama.cpp."""

import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from roundhouse.backends.llamacpp.loadable import LoadableModel
from roundhouse.core.errors import SchemaError
from roundhouse.testing.asking import ask_embedding
from roundhouse.testing.noise import loadable, write_noise
from roundhouse.testing.runtime import LIMITS, NOISE, Runtime

pytestmark = pytest.mark.slow

ENVIRON = dict(os.environ)  # noqa: TID251 - scrubbed on the way
Start = Callable[[LoadableModel], Runtime]
#: Sixteen hundred tokens, for the model has no such words.
LONG = " steam" * 200


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Make a runtime with one model."""
    async with AsyncExitStack() as stack:

        def make(model: LoadableModel) -> Runtime:
            runtime = Runtime(ENVIRON, model, limits=replace(LIMITS, context=2048))
            stack.push_async_callback(runtime.backend.close)
            return runtime

        yield make


async def vector(runtime: Runtime, text: str, **fields: object) -> list[float]:
    """Its embedding."""
    answer = await runtime.backend.answer(ask_embedding(text, **fields), await runtime.deployment())
    return [float(number) for number in json.loads(answer.data)["data"][0]["embedding"]]


@pytest.mark.parametrize("pooling", [1, 3])
async def test_an_embedding_model_reads_as_much_as_its_context(start: Start, tmp_path: Path, pooling: int) -> None:
    """Not only one batch."""
    path = write_noise(tmp_path / "embed.gguf", {"llama.pooling_type": pooling})
    assert 64 == len(await vector(start(loadable(path)), LONG))


async def test_a_text_too_long_for_a_chat_model_is_the_clients_error(start: Start) -> None:
    """The backend is well, and its breaker must not hear of it."""
    runtime = start(NOISE)
    with pytest.raises(SchemaError, match="too large to process") as caught:
        await vector(runtime, LONG)
    assert "embeddings" in str(caught.value.hint)
    assert 64 == len(await vector(runtime, "steam"))


async def test_a_vector_of_another_length_is_not_passed_on(start: Start) -> None:
    """llama.cpp ignores the wish; a store of vectors would take the harm."""
    runtime = start(NOISE)
    assert 64 == len(await vector(runtime, "steam", dimensions=64))
    with pytest.raises(SchemaError, match="64 numbers"):
        await vector(runtime, "steam", dimensions=32)
