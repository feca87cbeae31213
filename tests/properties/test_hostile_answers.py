"""Whatever a server answers, what comes out of its reader is an answer or an error of ours."""

from collections.abc import Callable
from contextlib import suppress
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies.answers import hostile

from roundhouse.backends.kinds.anthropic import failures as anthropic_failures
from roundhouse.backends.kinds.anthropic import saying as anthropic
from roundhouse.backends.kinds.anthropic.telling import Telling as AnthropicStream
from roundhouse.backends.kinds.gemini import failures as gemini_failures
from roundhouse.backends.kinds.gemini import saying as gemini
from roundhouse.backends.kinds.gemini import vectors as gemini_vectors
from roundhouse.backends.kinds.gemini.frame import Frame as GeminiFrame
from roundhouse.backends.kinds.ollama import saying as ollama
from roundhouse.backends.kinds.ollama import vectors as ollama_vectors
from roundhouse.backends.wire import bodies, chunks, dimensions, failures, listing, rerank
from roundhouse.backends.wire.stream import AnswerStream
from roundhouse.core.errors import RoundhouseError
from roundhouse.core.inference import Answer, Operation
from roundhouse.serving.caching import embeddings

STATUSES = (400, 401, 402, 403, 404, 413, 422, 429, 500, 503, 504)
QUESTION = rerank.read(b'{"model":"m","query":"q","documents":["a","b"],"return_documents":true}')
OF_ANTHROPIC = anthropic.Frame("r", "m", 1, by_tool=True)
OF_GEMINI = GeminiFrame("r", "m", 1, Operation.CHAT, 1)
OF_OLLAMA = ollama.Frame("r", "m", 1)

WHOLE: dict[str, Callable[[bytes], object]] = {
    "chat": lambda data: chunks.read_answer(data, Operation.CHAT),
    "embedding": lambda data: bodies.in_base64(chunks.read_answer(data, Operation.EMBEDDING).data),
    "kept embedding": lambda data: embeddings._read_answer(Answer(data), 1),
    "dimensions": lambda data: dimensions.check(data, 1),
    "rerank": lambda data: rerank.answered(data, QUESTION),
    "error in a stream": failures.error_in_stream,
    "anthropic": lambda data: anthropic.whole_answer(data, OF_ANTHROPIC),
    "anthropic's error": anthropic_failures.error_of,
    "gemini": lambda data: gemini.whole_answer(data, OF_GEMINI),
    "gemini's vectors": lambda data: gemini_vectors.read_vectors(data, 1, wanted=2),
    "gemini's error": gemini_failures.failure_in_stream,
    "ollama": lambda data: ollama.whole_answer(data, OF_OLLAMA),
    "ollama's vectors": lambda data: ollama_vectors.read_vectors(data, ["a"]),
    "list": listing.read_list,
}
FAILED = {
    "openai": failures.failure,
    "anthropic": anthropic_failures.read_failure,
    "gemini": gemini_failures.google_failure,
}
STREAMS: dict[str, tuple[Callable[[], AnswerStream | AnthropicStream | gemini.Telling | ollama.Telling], bytes]] = {
    "openai": (AnswerStream, b"data: %b\n\n"),
    "anthropic": (lambda: AnthropicStream(OF_ANTHROPIC), b"data: %b\n\n"),
    "gemini": (lambda: gemini.Telling(OF_GEMINI), b"data: %b\n\n"),
    "ollama": (lambda: ollama.Telling(OF_OLLAMA), b"%b\n"),
}
#: Answers of each example: one is soon made, and few of them are hostile in a new way.
MANY = 20
randoms = st.randoms(use_true_random=True)


@pytest.mark.parametrize("reader", WHOLE)
@given(randoms)
def test_nothing_foreign_comes_out_of_an_answer(reader: str, random: Random) -> None:
    """Fallback is for errors of ours."""
    for _ in range(MANY):
        with suppress(RoundhouseError):
            WHOLE[reader](hostile(random))


@pytest.mark.parametrize("reader", FAILED)
@given(randoms, st.sampled_from(STATUSES))
def test_a_failure_is_an_error_of_ours(reader: str, random: Random, status: int) -> None:
    """Whatever stands in its body."""
    for _ in range(MANY):
        assert isinstance(FAILED[reader](status, {}, hostile(random)), RoundhouseError)


@pytest.mark.parametrize("reader", STREAMS)
@given(randoms, st.integers(1, 4))
def test_nothing_foreign_comes_out_of_a_stream(reader: str, random: Random, pieces: int) -> None:
    """Piece by piece, and at its end."""
    make, form = STREAMS[reader]
    for _ in range(MANY):
        stream = make()
        with suppress(RoundhouseError):
            for _ in range(pieces):
                stream.feed(form % hostile(random))
            stream.finish()
