"""What an answer says about how it came to be, in headers. Knows nothing about its body."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from urllib.parse import quote

from roundhouse.core.errors import LoopError, SchemaError
from roundhouse.core.inference import NORMAL, CacheUse
from roundhouse.gateway.asgi import Headers
from roundhouse.serving.attempts import Served

_PRIORITY = b"x-roundhouse-priority"
_PRIORITIES: Mapping[bytes, int] = MappingProxyType({b"high": 80, b"normal": NORMAL, b"low": 20})
_HIGHEST = 100
#: Printable ASCII without ``%``, which marks what is quoted.
_HARMLESS = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")

_HOPS, _LONGEST = b"x-roundhouse-hops", 1024
_NODE = re.compile(r"[A-Za-z0-9_-]{1,64}")
#: How often a request may be passed on from node to node.
MOST_HOPS = 4

_USES = {use.value.encode("ascii"): use for use in CacheUse}


def of(served: Served) -> Headers:
    """Tell who answered, after how many tries, for how much, and what we added to the time."""
    deployment = served.deployment
    headers = [
        *_names(deployment.model, deployment.backend),
        (b"x-roundhouse-route-id", served.route_id.encode("ascii")),
        (b"x-roundhouse-attempts", b"%d" % served.attempts),
        (b"x-roundhouse-overhead-ms", b"%.3f" % served.overhead_ms),
    ]
    if served.cost_usd is not None:
        headers.append((b"x-roundhouse-cost-usd", b"%.9f" % served.cost_usd))
    if served.cache is not None:
        headers.append((b"x-roundhouse-cache", served.cache.encode("ascii")))
    if served.queued_ms:
        headers.append((b"x-roundhouse-queued-ms", b"%.3f" % served.queued_ms))
    return headers


def priority(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """What ``x-roundhouse-priority`` asks for; normal when it is not there. Raises SchemaError."""
    for name, value in headers:
        if name == _PRIORITY:
            asked = value.strip().lower()
            if asked in _PRIORITIES:
                return _PRIORITIES[asked]
            if asked.isdigit() and len(asked) <= len("100") and int(asked) <= _HIGHEST:
                return int(asked)
            message = "x-roundhouse-priority is high, normal, low, or a number from 0 to 100"
            raise SchemaError(message, details={"param": "x-roundhouse-priority"})
    return NORMAL


def cache_use(asked: Iterable[tuple[bytes, bytes]]) -> CacheUse:
    """What a client says about answers that were given before. Raises SchemaError."""
    for name, value in asked:
        if name == b"x-roundhouse-cache":
            use = _USES.get(value.strip().lower())
            if use is None:
                message = "x-roundhouse-cache is one of on, off, refresh and auto"
                raise SchemaError(message, details={"param": "x-roundhouse-cache"})
            return use
    return CacheUse.AUTO


def hops(asked: Iterable[tuple[bytes, bytes]], node: str) -> tuple[str, ...]:
    """The nodes that passed the request on to *node*, as ``x-roundhouse-hops`` names them.

    Raises LoopError when it was here already or came too far; SchemaError when they cannot be read.
    """
    named = [value for name, value in asked if name == _HOPS]
    if not named:
        return ()
    nodes = tuple(part.strip().decode("latin-1") for value in named for part in value[:_LONGEST].split(b","))
    if node in nodes:
        raise LoopError
    if len(nodes) > MOST_HOPS:
        message = f"the request came over {len(nodes)} nodes, and {MOST_HOPS} are enough"
        raise LoopError(message)
    if not all(_NODE.fullmatch(each) for each in nodes):
        message = "x-roundhouse-hops names nodes, with commas between them"
        raise SchemaError(message, details={"param": "x-roundhouse-hops"})
    return nodes


@lru_cache(maxsize=4096)
def _names(model: str, backend: str) -> Headers:
    return [(b"x-roundhouse-model", _value(model)), (b"x-roundhouse-backend", _value(backend))]


def _value(text: str) -> bytes:
    """Names come from backends, which may send anything: percent-encode what a header cannot hold."""
    return quote(text, safe=_HARMLESS, errors="replace").strip().encode("ascii")
