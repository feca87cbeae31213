import asyncio

import pytest

from roundhouse.core.artifacts import Plan
from roundhouse.core.errors import NetworkError, PolicyError
from roundhouse.upkeep.admission import look_ahead

PLAN = Plan("hf:a/b", "hf", "m", "1", ())


async def answering(answer: Plan | Exception) -> Plan:
    """Answer at once, one way or the other."""
    if isinstance(answer, Exception):
        raise answer
    return answer


async def never() -> Plan:
    """Say nothing."""
    await asyncio.Event().wait()
    return PLAN


async def test_a_quick_answer_is_taken() -> None:
    """It need not be asked for again."""
    assert PLAN == await look_ahead(answering(PLAN), 5)


@pytest.mark.parametrize("error", [NetworkError(), PolicyError("not GGUF"), RuntimeError("ours")])
async def test_what_fails_is_left_to_the_job(error: Exception) -> None:
    """There it is tried again, and kept for whoever looks."""
    assert await look_ahead(answering(error), 5) is None


async def test_silence_is_no_answer() -> None:
    """Nobody waits for it, and nothing of it is left."""
    assert await look_ahead(never(), 0.01) is None


async def test_a_rule_of_this_house_is_told_at_once() -> None:
    """It will not change its mind."""
    with pytest.raises(PolicyError):
        await look_ahead(answering(PolicyError("no", details={"rule": "library.formats"})), 5)
