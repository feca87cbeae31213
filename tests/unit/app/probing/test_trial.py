import math
from collections.abc import AsyncIterator, Iterator

import pytest

from roundhouse.app.probing import trial
from roundhouse.app.probing.trial import judge, try_out
from roundhouse.core.errors import BackendError, DeadlineError, SchemaError
from roundhouse.core.figures.baselines import Pace
from roundhouse.core.inference import Chunk, Deployment, InferenceRequest, Residency, TokenUsage
from roundhouse.testing.backend import FakeBackend, a_deployment

COUNT = [f"{number}, " for number in range(1, 21)]


class Ticking:
    """A clock on which everything takes 100 ms."""

    def __init__(self) -> None:
        self._moments: Iterator[int] = iter(range(10_000))

    def __call__(self) -> float:
        """One step later than before."""
        return next(self._moments) / 10


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("".join(COUNT), "right"),
        ("1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20", "right"),
        ("Sure! From 1 to 20:\n" + "\n".join(COUNT), "right"),
        ("<think>the user wants 1 to 20</think>" + "".join(COUNT), "right"),
        ("1, 2, 3, 4, 5, 6", "unsure"),
        ("1, 2, 3, 4", "wrong"),
        ("1, 2, 3, 4, 5, 6, 42", "wrong"),
        ("".join(COUNT).replace("13, ", ""), "wrong"),
        ("20, 19, 18, 17, 16, 15, 14", "wrong"),
        ("5, 6, 7, 8, 9, 10, 11, 12", "wrong"),
        ("qx lorem ##", "wrong"),
        ("", "unsure"),
        (" \n", "unsure"),
        ("9" * 5000, "wrong"),
    ],
)
def test_a_count_to_twenty_is_told_from_anything_else(text: str, verdict: str) -> None:
    """Also within words; a cut one might have become one, and nothing says nothing."""
    assert verdict == judge(text)


async def test_what_a_model_says_is_timed() -> None:
    """From the request to the first piece, and from there by tokens as the backend counts them."""
    backend = FakeBackend(pieces=COUNT, usage=TokenUsage(prompt=30, completion=60, cached=10))
    outcome = await try_out(backend, a_deployment(), Ticking())
    assert ("right", 20, 600.0) == (outcome.verdict, outcome.prompt_tokens, outcome.tokens_per_s)
    assert outcome.first_token_ms == pytest.approx(100.0)
    assert Pace(600.0, outcome.first_token_ms or 0.0) == outcome.pace
    assert (1, 1) == (len(backend.calls), backend.streams_ended)


async def test_impossible_counts_are_no_trouble() -> None:
    """Whoever sends them is tried as everybody is."""
    usage = TokenUsage(prompt=-5, completion=10**400, cached=7)
    outcome = await try_out(FakeBackend(pieces=COUNT, usage=usage), a_deployment(), Ticking())
    assert ("right", 0, True) == (
        outcome.verdict,
        outcome.prompt_tokens,
        math.isfinite(outcome.tokens_per_s or math.inf),
    )


async def test_a_few_words_have_no_speed() -> None:
    """They would be a poor baseline."""
    outcome = await try_out(FakeBackend(pieces=["hi"], usage=None), a_deployment(), Ticking())
    assert (None, None, "hi", "wrong") == (outcome.tokens_per_s, outcome.pace, outcome.reply, outcome.verdict)


async def test_cold_weights_are_loaded_before_anything_is_timed() -> None:
    """Loading is no answering."""
    backend = FakeBackend(pieces=COUNT)
    await try_out(backend, a_deployment(residency=Residency.COLD), Ticking())
    assert 2 == len(backend.calls)


async def test_a_model_that_wants_no_temperature_is_asked_without() -> None:
    """Those that think refuse it, and a limit by its old name."""
    backend = FakeBackend(pieces=COUNT)
    backend.fail(SchemaError("temperature is not supported"))
    outcome = await try_out(backend, a_deployment(), Ticking())
    assert ("right", [True, False], [False, True]) == (
        outcome.verdict,
        [b"temperature" in request.body for request, _ in backend.calls],
        [b"max_completion_tokens" in request.body for request, _ in backend.calls],
    )


async def test_what_is_no_json_says_nothing() -> None:
    """And ends nothing."""

    class Odd(FakeBackend):
        async def stream(self, request: InferenceRequest, deployment: Deployment) -> AsyncIterator[Chunk]:  # noqa: ARG002 - the port's
            yield Chunk(b'{"choices": 1}', visible=True)
            yield Chunk(b"\xff", visible=True)

    assert ("", "unsure") == ((outcome := await try_out(Odd(), a_deployment(), Ticking())).reply, outcome.verdict)


async def test_one_that_fails_or_hangs_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """With an error of ours, and nothing left open."""
    backend = FakeBackend()
    backend.fail(BackendError("no"))
    with pytest.raises(BackendError):
        await try_out(backend, a_deployment(), Ticking())
    backend.hold()
    monkeypatch.setattr(trial, "PATIENCE_S", 0.0)
    with pytest.raises(DeadlineError):
        await try_out(backend, a_deployment(), Ticking())
    assert len(backend.calls) == backend.streams_ended
