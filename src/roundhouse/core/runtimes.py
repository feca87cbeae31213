"""What a backend can do besides serving, and what is known of a model there. Knows of no kind of backend."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from roundhouse.core.clock import Clock

if TYPE_CHECKING:  # events tell of artifacts, and those who serve them have traits
    from roundhouse.core.events import Events


class Feature(StrEnum):
    """Something that only some backends can do; each says which."""

    #: Bring weights into memory, and let go of them.
    LOAD = "load"
    UNLOAD = "unload"
    #: Load weights anew for a request that does not fit as they are in memory.
    RELOAD = "reload"
    #: Fetch, delete and copy models in its own store.
    PULL = "pull"
    DELETE = "delete"
    COPY = "copy"


@dataclass(frozen=True, slots=True)
class Traits:
    """What is known of one model at one backend; ``None`` is what nobody told."""

    #: Tokens that the weights were trained for; what is really served is the deployment's ``context``.
    context_max: int | None = None
    quantization: str | None = None
    parameters: int | None = None
    family: str | None = None
    format: str | None = None
    #: Numbers in one embedding.
    dimension: int | None = None
    #: Requests that are worked on at the same time.
    slots: int | None = None
    #: Requests that such a runtime works on at the same time unless somebody told it otherwise, where it does not tell.
    slots_usual: int | None = None
    #: Bytes that the weights take in memory, and how many of them lie on a GPU.
    memory: int | None = None
    vram: int | None = None
    #: Bytes on the disk of the backend.
    size: int | None = None
    #: sha256 of the weights; the hub's repository that they came from.
    digest: str | None = None
    repo: str | None = None
    #: The hub's owner from whom the weights came, where only that is told.
    publisher: str | None = None
    #: What answers beside the weights: ``system`` (a prompt of its own), ``messages`` (examples), ``adapter``.
    extras: frozenset[str] = frozenset()
    #: Names what its answers depend on beside the weights of the digest: further files, adapters, Ollama's manifest.
    variant: str | None = None
    #: Seconds that loading took when it was last seen.
    load_s: float | None = None
    #: What a person should know: weights that lie on the CPU in part, a context that is cut.
    warnings: tuple[str, ...] = ()
    #: Its backend holds one model at a time: a request for another one makes it swap.
    alone: bool = False
    #: While it works on a request, its backend may answer nothing else, not even how it is.
    mute_at_work: bool = False
    #: Another node of ours serves it, to whom requests are passed on.
    is_passed_on: bool = False


#: Nobody told anything.
UNTOLD = Traits()


_PORTS = {"http": 80, "https": 443}


def place_of(url: str) -> str:
    """Host and port of a runtime: the same however somebody wrote the address of this machine; else *url* itself."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").removesuffix("."), parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return url
    try:
        is_here = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_here = host == "localhost" or host.endswith(".localhost")
    return f"{'localhost' if is_here else host}:{port}"


@dataclass(frozen=True, slots=True)
class PullStep:
    """How far a backend is with fetching a model into its own store."""

    status: str
    done: int | None = None
    total: int | None = None


class Loading(Protocol):
    """A backend with `Feature.LOAD` and `Feature.UNLOAD`. Models are named as the backend names them (*upstream*)."""

    async def load(self, upstream: str, *, context: int | None = None, keep_s: float | None = None) -> float:
        """Bring it into memory once, however many ask; seconds it took. Raises NotFoundError, CapacityError."""

    async def unload(self, upstream: str) -> None:
        """Let go of it; no error when it is not in memory. Cuts no answer: it waits for them, or is refused.

        Raises NotFoundError, ConflictError when it is in use, BackendError.
        """


class Storing(Protocol):
    """A backend with `Feature.PULL`, `DELETE` and `COPY`: it has a store of its own."""

    def pull(self, upstream: str) -> AsyncIterator[PullStep]:
        """Fetch a model; raises on iteration. Raises NotFoundError, BackendError."""

    async def delete(self, upstream: str) -> None:
        """Delete a model. Raises NotFoundError."""

    async def copy(self, upstream: str, name: str) -> None:
        """Give a model a second name. Raises NotFoundError, ConflictError."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A backend as somebody configured it."""

    name: str
    kind: str
    url: str | None = None
    #: Never in a log, an error or a repr.
    keys: tuple[str, ...] = field(default=(), repr=False)
    #: Models to use; empty is all that it lists.
    models: Sequence[str] = ()
    #: Seconds that connecting may take, and that an answer may be silent.
    connect_s: float = 5.0
    idle_s: float = 120.0
    #: What only this kind knows, by its own names.
    options: Mapping[str, str | int | float | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model of the library that is a folder of files, as far as it matters for loading it."""

    name: str
    path: Path
    #: Tokens that it was trained on.
    context: int | None = None
    has_chat_template: bool = False
    traits: Traits = UNTOLD
    #: Why it may not be loaded, in words that follow its name; ``None`` when it may.
    barred: str | None = None


def _no_folders() -> Sequence[ModelFolder]:
    return ()


@dataclass(frozen=True, slots=True)
class Workshop:
    """What a backend may use that is not its own."""

    events: Events
    clock: Clock
    #: Variables: for the key of a provider where nobody named another, and for children, scrubbed before they get them.
    environ: Mapping[str, str] = field(repr=False)
    #: A folder of its own for what children need.
    folder: Path
    #: Nothing may leave this machine, also not through a backend that is on it.
    offline: bool = False
    #: The models of the library that MLX can load, as of now.
    mlx_folders: Callable[[], Sequence[ModelFolder]] = _no_folders
    #: The name of this node, which other nodes of ours are told.
    node: str = ""
    #: Whether answers may be kept and given again.
    keeps: bool = True
