from roundhouse.backends.wire.embedding_cache import EmbeddingCache, Vector
from roundhouse.testing.clock import FakeClock

VECTOR = Vector(b"[0.5,0.25]", 3)


def test_what_was_put_is_found() -> None:
    """The same model, text and dimensions give the same numbers."""
    cache = EmbeddingCache(FakeClock())
    cache.put("alice", "m", "text", VECTOR)
    assert VECTOR == cache.get("alice", "m", "text")


def test_model_text_and_dimensions_tell_entries_apart() -> None:
    """Whatever changes the numbers changes the key."""
    cache = EmbeddingCache(FakeClock())
    cache.put("alice", "m", "text", VECTOR)
    assert [None] * 3 == [
        cache.get("alice", "n", "text"),
        cache.get("alice", "m", "texts"),
        cache.get("alice", "m", "text", 2),
    ]


def test_a_tenant_knows_only_his_own() -> None:
    """However the names of tenants and models run into each other."""
    cache = EmbeddingCache(FakeClock())
    cache.put("alice", "m", "text", VECTOR)
    assert [None] * 3 == [cache.get(tenant, "m", "text") for tenant in ("bob", "alice:m", "")]


def test_entries_grow_old() -> None:
    """After its time an entry is gone, and gives its bytes back."""
    clock = FakeClock()
    cache = EmbeddingCache(clock, ttl_s=10)
    cache.put("alice", "m", "text", VECTOR)
    clock.advance(10)
    assert (None, 0) == (cache.get("alice", "m", "text"), cache.size)


def test_the_least_recently_used_goes_first() -> None:
    """Room is made where nobody looked for longest."""
    cache = EmbeddingCache(FakeClock(), max_bytes=700)
    cache.put("alice", "m", "a", VECTOR)
    cache.put("alice", "m", "b", VECTOR)
    cache.get("alice", "m", "a")
    cache.put("alice", "m", "c", VECTOR)
    assert [True, False, True] == [cache.get("alice", "m", text) is not None for text in "abc"]


def test_what_is_larger_than_all_is_not_kept() -> None:
    """One giant does not empty the cache."""
    cache = EmbeddingCache(FakeClock(), max_bytes=700)
    cache.put("alice", "m", "a", VECTOR)
    cache.put("alice", "m", "giant", Vector(b"0" * 701, 1))
    assert [1, False] == [len(cache), cache.get("alice", "m", "a") is None]


def test_putting_twice_counts_once() -> None:
    """The size stays the sum of what is there."""
    cache = EmbeddingCache(FakeClock())
    cache.put("alice", "m", "a", VECTOR)
    before = cache.size
    cache.put("alice", "m", "a", VECTOR)
    assert before == cache.size


def test_hits_and_misses_are_counted() -> None:
    """Figures for people."""
    cache = EmbeddingCache(FakeClock())
    cache.get("alice", "m", "a")
    cache.put("alice", "m", "a", VECTOR)
    cache.get("alice", "m", "a")
    assert (1, 1) == (cache.hits, cache.misses)
