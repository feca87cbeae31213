"""The cache as the settings want it, around the serving room."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

from roundhouse.access.guard import Authority
from roundhouse.core.clock import Clock
from roundhouse.core.errors import ConfigError
from roundhouse.core.ledger import UsageRecord
from roundhouse.core.ports import Cache
from roundhouse.serving.caching.memory import MemoryCache
from roundhouse.serving.caching.responses import Caching, Terms
from roundhouse.serving.serve import Serving
from roundhouse.settings import Settings
from roundhouse.storage.caches.valkey import ValkeyCache


def check_cache(settings: Settings) -> None:
    """Refuse a cache on another machine when nothing may leave this one. Raises ConfigError."""
    host = urlsplit(settings.storage.valkey_url or "").hostname
    if settings.downloads.offline and host and not Authority(host, None).is_loopback:
        message = f"storage.valkey_url is at {host}, and nothing may leave this machine"
        raise ConfigError(message, hint="leave downloads.offline away, or storage.valkey_url")


def build_caching(
    stack: AsyncExitStack, settings: Settings, serving: Serving, meter: Callable[[UsageRecord], None], clock: Clock
) -> Caching | Serving:
    """Wrap *serving*, unless no cache is wanted. Raises ConfigError."""
    if not settings.cache.enabled:
        return serving
    check_cache(settings)
    url = settings.storage.valkey_url
    cache: Cache = MemoryCache(settings.cache.max_bytes, clock) if url is None else ValkeyCache(url, clock)
    terms = Terms(ttl_s=settings.cache.ttl, embeddings_ttl_s=settings.cache.embeddings_ttl)
    caching = Caching(serving, cache, meter, clock, terms)
    stack.push_async_callback(caching.close)
    return caching
