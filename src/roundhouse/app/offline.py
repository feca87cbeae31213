"""What stands in for everything that would leave this machine, when nothing may. Knows no socket.

The stand-ins are put in where things are built, so no request, job or plugin can find a way around them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from urllib.parse import urlsplit

from sqlalchemy.engine import make_url

from roundhouse.access.guard import Authority
from roundhouse.core.artifacts import Plan, PlannedFile
from roundhouse.core.desks.browse import Offer, Query
from roundhouse.core.errors import ConfigError, OfflineError
from roundhouse.core.inference import Answer, Chunk, ChunkStream, Deployment, InferenceRequest
from roundhouse.core.ports import BackendHealth, ByteStream
from roundhouse.core.runtimes import Feature


def stays_here(url: str) -> bool:
    """Whether *url* names this machine, so that no name server has to be asked."""
    return Authority((urlsplit(url).hostname or "").removesuffix("."), None).is_loopback


def check_database(url: str) -> None:
    """Refuse a database on another machine. Raises ConfigError."""
    host = make_url(url).host
    if host and not host.startswith("/") and not Authority(host, None).is_loopback:
        message = f"storage.database_url is at {host}, and nothing may leave this machine"
        raise ConfigError(message, hint="leave downloads.offline away, or use SQLite or a database on this machine")


def those_here(addresses: Mapping[str, str]) -> dict[str, str]:
    """Those of *addresses* that are on this machine."""
    return {name: url for name, url in addresses.items() if stays_here(url)}


class OfflineBackend:
    """A backend that is somewhere else: it serves nothing, and says why."""

    features: frozenset[Feature] = frozenset()

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self._why = f"offline: {urlsplit(url).hostname} is not this machine"

    async def deployments(self) -> Sequence[Deployment]:
        """Nothing."""
        return ()

    async def answer(self, request: InferenceRequest, deployment: Deployment) -> Answer:  # noqa: ARG002 - the port's
        """Refuse. Raises OfflineError."""
        raise OfflineError(self._why)

    def stream(self, request: InferenceRequest, deployment: Deployment) -> ChunkStream:  # noqa: ARG002 - the port's
        """Refuse on iteration. Raises OfflineError."""
        return _Refused(self._why)

    async def health(self) -> BackendHealth:
        """Tell that it is not asked."""
        return BackendHealth(ok=False, detail=self._why)

    async def close(self) -> None:
        """There is nothing to let go of."""


class _Refused:
    """A stream that ends before it begins."""

    def __init__(self, why: str) -> None:
        self._why = why

    def __aiter__(self) -> _Refused:
        return self

    async def __anext__(self) -> Chunk:
        raise OfflineError(self._why)


class OfflineSource:
    """A source that is somewhere else."""

    def __init__(self, scheme: str) -> None:
        self.scheme = scheme

    async def resolve(self, ref: str) -> Plan:
        """Refuse. Raises OfflineError."""
        raise _needs_network(ref)

    def open(
        self,
        file: PlannedFile,
        offset: int,  # noqa: ARG002 - the port's
        length: int | None = None,  # noqa: ARG002 - the port's
    ) -> AbstractAsyncContextManager[ByteStream]:
        """Refuse. Raises OfflineError."""
        raise _needs_network(file.name)


class OfflineCatalog:
    """A hub that is somewhere else."""

    async def browse(self, query: Query) -> Sequence[Offer]:  # noqa: ARG002 - the port's
        """Refuse. Raises OfflineError."""
        message = "browsing needs the network, and Roundhouse is offline"
        raise OfflineError(message, hint="see what is here with `roundhouse models ls`")


def _needs_network(what: str) -> OfflineError:
    message = f"{what.partition('?')[0]} needs the network, and Roundhouse is offline"
    return OfflineError(message, hint="pull from a folder, or start without --offline")
