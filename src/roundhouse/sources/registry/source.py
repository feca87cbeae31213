"""Models from a registry: ``ollama:name[:tag]``, or ``ollama:host[:port]/owner/name:tag`` from one that is named.

Knows nothing about disks. The manifest vouches for every byte: its layers are named by their digests.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from yarl import URL

from roundhouse.core.artifacts import Plan, PlannedFile
from roundhouse.core.errors import AuthError, ConfigError
from roundhouse.core.ports import ByteStream
from roundhouse.sources.connector import Guard, is_loopback
from roundhouse.sources.ranges import Remote, Validators, open_range
from roundhouse.sources.registry.api import RegistryApi, no_account
from roundhouse.sources.registry.manifest import files_of, license_of
from roundhouse.sources.registry.reference import parse

REGISTRY = "https://registry.ollama.ai"


class RegistrySource:
    """All registries; one of them is meant where a reference names none."""

    scheme = "ollama"

    def __init__(self, registry: str = REGISTRY) -> None:
        self._registry = URL(registry.rstrip("/"))
        host = self._registry.host
        if host is None or not (
            self._registry.scheme == "https" or (self._registry.scheme == "http" and is_loopback(host))
        ):
            message = f"not the https address of a registry: {registry!r}"
            raise ConfigError(message, hint="plain http is for registries on this machine only")
        self._api = RegistryApi()
        self._validators = Validators()

    async def resolve(self, ref: str) -> Plan:
        """The exact files behind *ref*.

        Raises NotFoundError, AuthError, PolicyError, NetworkError, LimitError, SchemaError, VerifyError.
        """
        place = parse(ref, self._registry)
        remote = Remote(place.model, place.manifest, self._guard(place.manifest))
        raw, digest = await self._api.manifest(remote, place.repository_url, place.digest)
        files = files_of(raw, place.stem, place.repository_url)
        named = license_of(raw)
        texts = tuple(file for file in files if file.name.partition("-")[0] == "license")
        return Plan(
            ref,
            self.scheme,
            place.model,
            f"sha256:{digest}",
            files,
            license=named,
            license_source="registry" if texts or named else None,
            license_files=texts,
        )

    def open(
        self, file: PlannedFile, offset: int, length: int | None = None
    ) -> AbstractAsyncContextManager[ByteStream]:
        """The bytes of *file* from *offset* on; every call asks the registry anew, because signed addresses expire."""
        return self._open(file, offset, length)

    @asynccontextmanager
    async def _open(self, file: PlannedFile, offset: int, length: int | None) -> AsyncIterator[ByteStream]:
        url = URL(file.locator, encoded=True)
        repository_url = file.locator.rpartition("/blobs/")[0]
        bare = Remote(file.name, url, self._guard(url))
        async with AsyncExitStack() as stack:
            known = Remote(bare.name, url, bare.guard, self._api.credentials(repository_url))
            try:
                stream = await stack.enter_async_context(self._range(known, file, offset, length))
            except AuthError:
                # No token yet, after a restart; or one that has expired.
                fresh = Remote(bare.name, url, bare.guard, await self._api.renew(bare, repository_url))
                try:
                    stream = await stack.enter_async_context(self._range(fresh, file, offset, length))
                except AuthError as error:
                    raise no_account(file.name) from error
            yield stream

    def _range(
        self, remote: Remote, file: PlannedFile, offset: int, length: int | None
    ) -> AbstractAsyncContextManager[ByteStream]:
        return open_range(remote, offset, self._validators, file.locator, length)

    def _guard(self, url: URL) -> Guard:
        """The registry of the settings may be anywhere, others have to be public or on this machine."""
        host = url.host or ""
        return Guard([host] if host == self._registry.host or is_loopback(host) else ())
