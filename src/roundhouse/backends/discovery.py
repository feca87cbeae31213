"""Looking for runtimes on this machine, at the addresses that are given. Knows nothing about what is done with them.

Each kind is recognised by the shape of what it alone answers: an unrelated web server on its port is not taken for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import TypeVar

import aiohttp
import msgspec

from roundhouse.backends.kinds.ollama.facts import Tags
from roundhouse.core.views import Found

_MAX_BODY = 8 << 20

T = TypeVar("T")


class _Version(msgspec.Struct):
    version: str


class _StudioModelV1(msgspec.Struct):
    key: str
    type: str
    loaded_instances: list[object]


class _StudioModelsV1(msgspec.Struct):
    models: list[_StudioModelV1]


class _StudioModel(msgspec.Struct):
    id: str
    type: str
    state: str


class _StudioModels(msgspec.Struct):
    data: list[_StudioModel]


class _Refusal(msgspec.Struct):
    message: str


class _Refused(msgspec.Struct):
    error: _Refusal


class _Settings(msgspec.Struct):
    n_ctx: int | None = None


class _Props(msgspec.Struct):
    """Only llama-server has settings together with slots, or with the role of a router."""

    default_generation_settings: _Settings
    total_slots: int | None = None
    role: str | None = None
    build_info: str | None = None

    @property
    def detail(self) -> str | None:
        """What people see of it; ``None`` when it is something else."""
        if self.role == "router":
            return f"llama-server {self.build_info or ''}".strip() + "; router"
        if self.total_slots is None:
            return None
        return f"llama-server {self.build_info or ''}".strip() + f"; slots: {self.total_slots}"


class _Health(msgspec.Struct, forbid_unknown_fields=True):
    status: str


class _Model(msgspec.Struct):
    id: str
    owned_by: str | None = None


class _Models(msgspec.Struct):
    object: str
    data: list[_Model]


class _Peer:
    """One address that is asked."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.url = url.rstrip("/")
        self._session = session
        #: The ``Server`` header of the last answer.
        self.server = ""

    async def get(self, path: str, shape: type[T], status: HTTPStatus = HTTPStatus.OK) -> T | None:
        """What *path* answers, if it is of that shape and with that *status*."""
        async with self._session.get(self.url + path, allow_redirects=False) as response:
            self.server = response.headers.get("Server", "")
            if response.status != status:
                return None
            body = bytearray()
            async for piece in response.content.iter_any():
                body += piece
                if len(body) > _MAX_BODY:
                    return None
        try:
            return msgspec.json.decode(bytes(body), type=shape)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return None


async def discover(addresses: Mapping[str, str], *, within_s: float = 1.0) -> Sequence[Found]:
    """Find what answers at *addresses* (by kind: ``ollama``, ``lmstudio``, ``llamacpp``, ``mlx``, ``vllm``).

    All are asked at once, and what has not answered after *within_s* is not there.
    """
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        asked = [
            _within(within_s, _PROBES[kind](_Peer(session, url))) for kind, url in addresses.items() if kind in _PROBES
        ]
        return [found for found in await asyncio.gather(*asked) if found is not None]


async def _within(within_s: float, probe: Awaitable[Found | None]) -> Found | None:
    try:
        async with asyncio.timeout(within_s):
            return await probe
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
        return None


async def _ollama(peer: _Peer) -> Found | None:
    version = await peer.get("/api/version", _Version)
    listed = await peer.get("/api/tags", Tags) if version else None
    if version is None or listed is None:
        return None
    names = tuple(tag.id for tag in listed.models or () if not tag.is_elsewhere)
    return Found("ollama", "ollama", peer.url, f"Ollama {version.version}", names)


async def _lmstudio(peer: _Peer) -> Found | None:
    newest = await peer.get("/api/v1/models", _StudioModelsV1)
    if newest is not None and newest.models:
        return _studio(peer, {model.key: bool(model.loaded_instances) for model in newest.models})
    listed = await peer.get("/api/v0/models", _StudioModels)
    if listed is not None:
        return _studio(peer, {model.id: model.state == "loaded" for model in listed.data})
    refused = await peer.get("/api/v1/models", _Refused, HTTPStatus.UNAUTHORIZED)
    if refused is not None and "LM Studio" in refused.error.message:
        detail = "LM Studio; needs a key: `roundhouse backends add lmstudio --key-env LM_API_KEY`"
        return Found("lmstudio", "lmstudio", peer.url, detail)
    plain = await peer.get("/v1/models", _Models)
    # What LM Studio puts there; only versions without the addresses above are recognised by it.
    if plain is None or not plain.data or any(model.owned_by != "organization_owner" for model in plain.data):
        return None
    return Found("lmstudio", "lmstudio", peer.url, "LM Studio", tuple(model.id for model in plain.data))


def _studio(peer: _Peer, is_loaded: Mapping[str, bool]) -> Found:
    detail = f"LM Studio; loaded: {sum(is_loaded.values())} of {len(is_loaded)}"
    return Found("lmstudio", "lmstudio", peer.url, detail, tuple(is_loaded))


async def _llamacpp(peer: _Peer) -> Found | None:
    props = await peer.get("/props", _Props)
    detail = props.detail if props else None
    listed = await peer.get("/v1/models", _Models) if detail else None
    if detail is None or listed is None:
        return None
    return Found("llama-server", "llama-server", peer.url, detail, tuple(model.id for model in listed.data))


async def _mlx(peer: _Peer) -> Found | None:
    health = await peer.get("/health", _Health)
    # llama-server answers the same; mlx_lm.server is Python's own server and names no owners.
    if health is None or health.status != "ok" or not peer.server.startswith("BaseHTTP"):
        return None
    listed = await peer.get("/v1/models", _Models)
    if listed is None or any(model.owned_by for model in listed.data):
        return None
    return Found("mlx", "mlx", peer.url, "mlx_lm.server", tuple(model.id for model in listed.data))


async def _vllm(peer: _Peer) -> Found | None:
    version = await peer.get("/version", _Version)
    listed = await peer.get("/v1/models", _Models) if version else None
    if version is None or listed is None or any(model.owned_by != "vllm" for model in listed.data):
        return None
    return Found("vllm", "vllm", peer.url, f"vLLM {version.version}", tuple(model.id for model in listed.data))


_PROBES: Mapping[str, Callable[[_Peer], Awaitable[Found | None]]] = {
    "ollama": _ollama,
    "lmstudio": _lmstudio,
    "llamacpp": _llamacpp,
    "mlx": _mlx,
    "vllm": _vllm,
}
