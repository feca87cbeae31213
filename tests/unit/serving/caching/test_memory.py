from roundhouse.serving.caching.memory import MemoryCache
from roundhouse.testing.clock import FakeClock


async def test_it_never_takes_more_room_than_it_may() -> None:
    """However much is put into it."""
    cache = MemoryCache(10_000, FakeClock())
    for number in range(100):
        await cache.put("me", {str(number): b"x" * 1000}, 60.0)
        assert cache.size <= 10_000
    assert 7 == len(cache)


async def test_what_was_asked_for_stays() -> None:
    """The one that nobody asked for the longest goes first."""
    cache = MemoryCache(3000, FakeClock())
    await cache.put("me", {"a": b"x" * 400, "b": b"x" * 400, "c": b"x" * 400}, 60.0)
    await cache.get("me", ["a"])
    await cache.put("me", {"d": b"x" * 400, "e": b"x" * 400}, 60.0)
    assert [True, False, True] == [value is not None for value in await cache.get("me", ["a", "b", "e"])]


async def test_one_large_value_does_not_drive_the_others_out() -> None:
    """It is not kept."""
    cache = MemoryCache(4000, FakeClock())
    await cache.put("me", {"small": b"x"}, 60.0)
    await cache.put("me", {"large": b"x" * 2000}, 60.0)
    assert [b"x", None] == list(await cache.get("me", ["small", "large"]))


async def test_what_grew_too_old_takes_no_room() -> None:
    """It is forgotten when it is asked for."""
    clock = FakeClock()
    cache = MemoryCache(4000, clock)
    await cache.put("me", {"key": b"x"}, 60.0)
    clock.advance(60.0)
    assert [None] == list(await cache.get("me", ["key"]))
    assert (0, 0) == (cache.size, len(cache))


async def test_closing_forgets_everything() -> None:
    """Memory is given back."""
    cache = MemoryCache(4000, FakeClock())
    await cache.put("me", {"key": b"x"}, 60.0)
    await cache.close()
    assert (0, 0) == (cache.size, len(cache))
