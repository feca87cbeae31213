import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse.backends.kinds.ollama.embedding import MAX_TEXTS, Asker, Embedder, Subject
from roundhouse.backends.wire.embedding_cache import EmbeddingCache, Vector
from roundhouse.core.errors import BackendError
from roundhouse.core.inference import CacheUse
from roundhouse.testing.clock import FakeClock

SUBJECT = Subject("m", "v1")
ALICE, BOB = Asker("alice"), Asker("bob")


class Counting:
    """Embeds, and remembers what was asked in each call."""

    def __init__(self, poison: str = "") -> None:
        self.calls: list[list[str]] = []
        self.poison = poison
        self.called = asyncio.Event()
        self.release = asyncio.Event()
        self.release.set()

    async def __call__(self, _subject: Subject, texts: Sequence[str], _timeout_s: float) -> list[Vector]:
        """One call."""
        self.calls.append(list(texts))
        self.called.set()
        await self.release.wait()
        if self.poison in texts:
            message = "that text cannot be embedded"
            raise BackendError(message)
        return [Vector(f"[{len(text)}]".encode(), 1) for text in texts]


def embedder(counting: Counting, wait_s: float = 0.005) -> Embedder:
    """One with a cache of its own."""
    return Embedder(counting, EmbeddingCache(FakeClock()), wait_s=wait_s)


async def ask(subject: Embedder, *texts: str, of: Subject = SUBJECT, asker: Asker = ALICE) -> list[bytes]:
    """The numbers of some texts."""
    vectors, _ = await subject.vectors(of, texts, 10, asker)
    return [vector.numbers for vector in vectors]


async def test_those_of_one_moment_go_in_one_call() -> None:
    """Everybody gets his own."""
    counting = Counting()
    one = embedder(counting)
    answers = await asyncio.gather(*[ask(one, "x" * number) for number in range(1, 11)])
    assert (1, [[b"[%d]" % number] for number in range(1, 11)]) == (len(counting.calls), answers)


async def test_different_models_do_not_mix() -> None:
    """Nor different dimensions."""
    counting = Counting()
    one = embedder(counting)
    others = [SUBJECT, Subject("n", "v1"), Subject("m", "v1", 2)]
    await asyncio.gather(*[ask(one, "a", of=each) for each in others])
    assert [["a"]] * 3 == counting.calls


async def test_one_bad_text_costs_nobody_else_his_answer() -> None:
    """After a failure everybody asks for himself."""
    counting = Counting(poison="bad")
    one = embedder(counting)
    answers = await asyncio.gather(ask(one, "a"), ask(one, "bad"), ask(one, "ccc"), return_exceptions=True)
    assert ([b"[1]"], True, [b"[3]"]) == (answers[0], isinstance(answers[1], BackendError), answers[2])
    assert 4 == len(counting.calls)


async def test_a_lone_failure_is_not_tried_again() -> None:
    """There is nobody whom it could have been the fault of."""
    counting = Counting(poison="bad")
    with pytest.raises(BackendError):
        await ask(embedder(counting), "bad")
    assert 1 == len(counting.calls)


async def test_who_came_first_may_go_away() -> None:
    """The others ask for themselves."""
    counting = Counting()
    counting.release.clear()
    one = embedder(counting)
    first, second = asyncio.ensure_future(ask(one, "a")), asyncio.ensure_future(ask(one, "bb"))
    await asyncio.wait_for(counting.called.wait(), 5)
    first.cancel()
    counting.release.set()
    assert [b"[2]"] == await second
    assert first.cancelled()


async def test_a_full_batch_does_not_wait() -> None:
    """And what comes after it is a batch of its own."""
    counting = Counting()
    one = embedder(counting, wait_s=0.05)
    await asyncio.gather(*[ask(one, str(number)) for number in range(MAX_TEXTS + 1)])
    assert [MAX_TEXTS, 1] == [len(call) for call in counting.calls]


async def test_what_was_computed_is_not_computed_again() -> None:
    """Texts of one request too, each once."""
    counting = Counting()
    one = embedder(counting)
    await ask(one, "a", "a")
    vectors, cached = await one.vectors(SUBJECT, ["b", "a"], 10, ALICE)
    assert [["a"], ["b"]] == counting.calls
    assert (2, 1) == (len(vectors), cached)


async def test_new_weights_are_computed_again() -> None:
    """The name may stay when the weights change."""
    counting = Counting()
    one = embedder(counting)
    await ask(one, "a")
    await ask(one, "a", of=Subject("m", "v2"))
    assert 2 == len(counting.calls)


async def test_without_a_wait_nothing_is_gathered() -> None:
    """Whoever wants none has none."""
    counting = Counting()
    one = embedder(counting, wait_s=0)
    await asyncio.gather(ask(one, "a"), ask(one, "b"))
    assert [["a"], ["b"]] == sorted(counting.calls)


async def test_nobody_is_told_what_another_has_asked() -> None:
    """Bob's text is computed, though Alice knows it already."""
    counting = Counting()
    one = embedder(counting)
    await ask(one, "a", asker=ALICE)
    _, cached = await one.vectors(SUBJECT, ["a"], 10, BOB)
    assert (0, [["a"], ["a"]]) == (cached, counting.calls)


async def test_calls_are_shared_by_all() -> None:
    """Nobody sees who else is in one."""
    counting = Counting()
    one = embedder(counting)
    await asyncio.gather(ask(one, "a", asker=ALICE), ask(one, "b", asker=BOB))
    assert [["a", "b"]] == counting.calls


@pytest.mark.parametrize(("use", "then"), [(CacheUse.REFRESH, 0), (CacheUse.OFF, 1)])
async def test_who_wants_a_new_one_gets_it(use: CacheUse, then: int) -> None:
    """Only what was refreshed is known afterwards; ``then`` counts the calls for it."""
    counting = Counting()
    one = embedder(counting)
    again = Asker("alice", use)
    await ask(one, "a", asker=again)
    await ask(one, "a", asker=again)
    assert 2 == len(counting.calls)
    await ask(one, "a")
    assert 2 + then == len(counting.calls)


@given(st.lists(st.tuples(st.sampled_from(["alice", "bob", ""]), st.sampled_from("abc"), st.sampled_from(CacheUse))))
def test_what_is_known_was_kept_for_the_same_tenant(asked: list[tuple[str, str, CacheUse]]) -> None:
    """Whoever asks for what, in whatever order."""

    async def play() -> None:
        one, kept = embedder(Counting(), wait_s=0), set[tuple[str, str]]()
        for tenant, text, use in asked:
            _, cached = await one.vectors(SUBJECT, [text], 10, Asker(tenant, use))
            takes = use not in (CacheUse.OFF, CacheUse.REFRESH)
            assert (takes and (tenant, text) in kept) == (cached == 1)
            if use is not CacheUse.OFF:
                kept.add((tenant, text))

    asyncio.run(play())
