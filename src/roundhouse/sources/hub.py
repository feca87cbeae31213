"""Models from a Hugging Face style hub: ``hf:owner/repo[@revision][:quant-or-glob]``.

Knows nothing about disks. Metadata comes through huggingface_hub, bytes through our own ranges: it can neither resume
across runs, nor limit, nor verify.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from urllib.parse import quote

from yarl import URL

from roundhouse.core.artifacts import Digest, FileName, Plan, PlannedFile
from roundhouse.core.desks.browse import Memory, Offer, Query
from roundhouse.core.errors import ConfigError, LicenseError, SchemaError
from roundhouse.core.ports import ByteStream
from roundhouse.library.admission import code_flags, text_files
from roundhouse.sources.choice import Scale, choose, files_of, reason, variants
from roundhouse.sources.connector import Guard, is_loopback
from roundhouse.sources.hub_api import HubApi, RepoFile, Revision
from roundhouse.sources.hub_search import offers
from roundhouse.sources.ranges import Remote, Validators, open_range

ENDPOINT = "https://huggingface.co"
_REF = re.compile(r"hf:(?P<repo>[\w.-]+(?:/[\w.-]+)?)(?:@(?P<revision>[^:\s]+))?(?::(?P<wanted>\S+))?", re.ASCII)


class HubSource:
    """One hub, the public one unless told otherwise."""

    scheme = "hf"

    def __init__(self, endpoint: str = ENDPOINT, *, token: str | None = None, memory: Memory | None = None) -> None:
        self._endpoint = URL(endpoint.rstrip("/"))
        host = self._endpoint.host
        if self._endpoint.scheme not in {"http", "https"} or host is None:
            message = f"not the address of a hub: {endpoint!r}"
            raise ConfigError(message)
        if token and self._endpoint.scheme == "http" and not is_loopback(host):
            message = f"the token would travel unencrypted to {host}"
            raise ConfigError(message, hint="use an https endpoint, or no token")
        # The configured endpoint may be anywhere; where it redirects to may not.
        self._guard = Guard([host])
        self._credentials = {"Authorization": f"Bearer {token}"} if token else {}
        self._api = HubApi(str(self._endpoint), token, self._guard)
        self._validators = Validators()
        self._memory = memory

    async def resolve(self, ref: str) -> Plan:
        """The exact files behind *ref*.

        Raises NotFoundError, AuthError, LicenseError, PolicyError, NetworkError, LimitError, SchemaError.
        """
        parts = _REF.fullmatch(ref)
        if parts is None:
            message = f"not a reference to a hub: {ref!r}"
            raise SchemaError(
                message, hint="write hf:owner/repo, hf:owner/repo:Q4_K_M or hf:owner/repo@revision:Q4_K_M"
            )
        repo, wanted = parts["repo"], parts["wanted"]
        with self._gated(repo):
            revision = await self._api.revision(repo, parts["revision"])
            if revision.gated and not self._credentials:
                message = f"{repo} is gated: its owner decides who may have it, and there is no token to ask with"
                raise LicenseError(message)
        by_path = {file.path: file for file in revision.files}
        sizes = {path: file.size for path, file in by_path.items()}
        scale = Scale(sizes, self._memory, revision.context) if self._memory else None
        variant = choose(list(by_path), wanted, scale)
        paths = files_of(list(by_path), variant)
        found = variants(list(by_path))
        return Plan(
            ref=ref,
            source=self.scheme,
            model=f"{repo}:{variant.tag}" if variant.tag else repo,
            revision=revision.commit,
            files=tuple(_planned(repo, revision.commit, by_path[path]) for path in paths),
            license=revision.license,
            license_name=revision.license_name,
            license_url=self._license_url(repo, revision),
            license_source="hub" if revision.license else None,
            license_files=tuple(
                _planned(repo, revision.commit, by_path[path]) for path in text_files(by_path, revision.license_link)
            ),
            code=code_flags(by_path, remote_code=revision.remote_code, chat_template=revision.has_chat_template),
            reason=reason(found, variant, scale, asked=wanted is not None) if scale else None,
            context=revision.context,
        )

    async def browse(self, query: Query) -> Sequence[Offer]:
        """What the hub offers that fits *query*, and whether it fits here.

        Raises AuthError, NetworkError, LimitError, SchemaError, OfflineError.
        """
        return await offers(self._api, self._memory, query)

    def open(
        self, file: PlannedFile, offset: int, length: int | None = None
    ) -> AbstractAsyncContextManager[ByteStream]:
        """The bytes of *file* from *offset* on; every call asks the hub anew, because signed addresses expire."""
        return self._open(file, offset, length)

    @asynccontextmanager
    async def _open(self, file: PlannedFile, offset: int, length: int | None) -> AsyncIterator[ByteStream]:
        url = URL(f"{self._endpoint}/{file.locator}", encoded=True)
        remote = Remote(file.name, url, self._guard, self._credentials)
        with self._gated(file.locator.partition("/resolve/")[0]):
            async with open_range(remote, offset, self._validators, file.locator, length) as stream:
                yield stream

    @contextmanager
    def _gated(self, repo: str) -> Iterator[None]:
        """Name the page where its owner is asked, whenever the hub says that one has to be."""
        try:
            yield
        except LicenseError as error:
            page = f"{self._endpoint}/{repo}"
            have = "the account of your token" if self._credentials else "your account, then give Roundhouse its token"
            hint = f"open {page}, accept the terms there with {have}, and pull again"
            raise LicenseError(error.message, hint=hint, details={"url": page, "gated": True}) from error

    def _license_url(self, repo: str, revision: Revision) -> str | None:
        """Where people read the licence: the page that its publisher names, or the file at this very commit."""
        link = revision.license_link
        if link is not None and link.startswith(("https://", "http://")):
            return link
        names = text_files([file.path for file in revision.files], link)
        return f"{self._endpoint}/{repo}/blob/{revision.commit}/{quote(names[0])}" if names else None


def _planned(repo: str, commit: str, file: RepoFile) -> PlannedFile:
    return PlannedFile(
        name=FileName(file.path.rpartition("/")[2]),
        size=file.size,
        digest=Digest(file.sha256) if file.sha256 else None,
        locator=f"{repo}/resolve/{quote(commit, safe='')}/{quote(file.path)}",
    )
