"""What every cache does, wherever it keeps its bytes."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest

from roundhouse.core.clock import SystemClock
from roundhouse.core.ports import Cache
from roundhouse.serving.caching.memory import MemoryCache
from roundhouse.storage.caches.valkey import ValkeyCache


@pytest.fixture(params=["memory", "valkey"])
async def cache(request: pytest.FixtureRequest) -> AsyncIterator[Cache]:
    """Each of the caches that we have."""
    if request.param == "memory":
        made: Cache = MemoryCache(1 << 20, SystemClock())
    else:
        made = ValkeyCache(request.getfixturevalue("valkey_url"), SystemClock(), read_s=5.0)
    yield made
    await made.close()


@pytest.fixture
def tenant() -> str:
    """Somebody whom no other test knows: the server may be everybody's."""
    return secrets.token_hex(8)


async def test_what_was_put_is_there(cache: Cache, tenant: str) -> None:
    """Byte for byte, also bytes that are no text."""
    await cache.put(tenant, {"key": b"\x00\xff value"}, 60.0)
    assert [b"\x00\xff value"] == list(await cache.get(tenant, ["key"]))


async def test_many_are_given_in_the_order_asked_for(cache: Cache, tenant: str) -> None:
    """With a gap where nothing is."""
    await cache.put(tenant, {"a": b"1", "b": b"2"}, 60.0)
    assert [b"2", None, b"1"] == list(await cache.get(tenant, ["b", "c", "a"]))


async def test_the_newest_value_counts(cache: Cache, tenant: str) -> None:
    """A second one replaces the first."""
    await cache.put(tenant, {"key": b"old"}, 60.0)
    await cache.put(tenant, {"key": b"new"}, 60.0)
    assert [b"new"] == list(await cache.get(tenant, ["key"]))


@pytest.mark.parametrize("other", ["", "b", "a:key", "a\x00", "\udcff"])
async def test_a_tenant_sees_nothing_of_another(cache: Cache, tenant: str, other: str) -> None:
    """Whatever they are called."""
    await cache.put(f"{tenant}a", {"key": b"secret"}, 60.0)
    assert [None] == list(await cache.get(f"{tenant}{other}", ["key"]))


async def test_names_and_keys_do_not_run_into_each_other(cache: Cache, tenant: str) -> None:
    """``a`` with ``b:c`` is not ``a:b`` with ``c``."""
    await cache.put(f"{tenant}:b", {"c": b"secret"}, 60.0)
    assert [None] == list(await cache.get(tenant, ["b:c"]))


async def test_what_is_too_old_is_gone(cache: Cache, tenant: str) -> None:
    """A lifetime of nothing is over at once."""
    await cache.put(tenant, {"key": b"value"}, 0.0)
    assert [None] == list(await cache.get(tenant, ["key"]))


async def test_nothing_asked_is_nothing_answered(cache: Cache, tenant: str) -> None:
    """No keys, no entries, no error."""
    await cache.put(tenant, {}, 60.0)
    assert [] == list(await cache.get(tenant, []))


async def test_many_may_ask_at_once(cache: Cache, tenant: str) -> None:
    """Nobody gets the answer to another's question."""
    await cache.put(tenant, {str(number): b"%d" % number for number in range(50)}, 60.0)
    answers = await asyncio.gather(*(cache.get(tenant, [str(number)]) for number in range(50)))
    assert [[b"%d" % number] for number in range(50)] == [list(answer) for answer in answers]
