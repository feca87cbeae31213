"""What a Hugging Face style hub says about a repository, asked through huggingface_hub. Knows nothing about bytes.

huggingface_hub has one HTTP client per process. It is replaced here, once, by one that goes through our guard: which
hosts are allowed travels with the call, because several hubs may be configured.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass

import httpx2
from huggingface_hub import HfApi, ModelInfo, is_offline_mode, set_client_factory
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

from roundhouse.core.errors import NetworkError, OfflineError, SchemaError
from roundhouse.sources.connector import USER_AGENT, Guard
from roundhouse.sources.refusals import refusal

TIMEOUT_S = 15.0

_guard: ContextVar[Guard] = ContextVar("guard", default=Guard())  # noqa: B039 (a guard never changes)


class _GuardedTransport(httpx2.HTTPTransport):
    """Connects to the address that was checked, whatever the name resolves to a moment later."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        host = request.url.host
        try:
            found = socket.getaddrinfo(host, request.url.port or 443, type=socket.SOCK_STREAM)
        except OSError as error:
            message = f"the name {host} is not known"
            raise httpx2.ConnectError(message, request=request) from error
        addresses = [str(each[4][0]) for each in found]
        _guard.get().check(host, addresses)
        # A copy, because the client builds the next hop of a redirect from the original.
        pinned = httpx2.Request(
            request.method,
            request.url.copy_with(host=addresses[0]),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": host},
        )
        return super().handle_request(pinned)


def _client() -> httpx2.Client:
    return httpx2.Client(transport=_GuardedTransport(), follow_redirects=True, timeout=TIMEOUT_S, trust_env=False)


set_client_factory(_client)


@dataclass(frozen=True, slots=True)
class RepoFile:
    """One file of a repository."""

    path: str
    size: int | None
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Revision:
    """A repository at one commit."""

    commit: str
    files: tuple[RepoFile, ...]
    license: str | None


class HubApi:
    """Metadata of one hub."""

    def __init__(self, endpoint: str, token: str | None, guard: Guard) -> None:
        # The default user agent lists the other programs and environments of this machine; that is nobody's business.
        self._api = HfApi(endpoint=endpoint, token=token or False, headers={"user-agent": USER_AGENT})
        self._guard = guard

    async def revision(self, repo: str, revision: str | None) -> Revision:
        """The files of *repo* at *revision*, pinned to a commit.

        Raises NotFoundError, AuthError, LicenseError, LimitError, NetworkError, SchemaError, OfflineError.
        """
        token = _guard.set(self._guard)
        try:
            info = await asyncio.to_thread(self._ask, repo, revision)
        finally:
            _guard.reset(token)
        if not info.sha:
            message = f"{repo}: the hub does not name a commit"
            raise SchemaError(message)
        files = tuple(
            RepoFile(each.rfilename, each.size, each.lfs.sha256 if each.lfs else None) for each in info.siblings or ()
        )
        return Revision(info.sha, files, _license(info))

    def _ask(self, repo: str, revision: str | None) -> ModelInfo:
        what = f"{repo}@{revision}" if revision else repo
        if is_offline_mode():
            message = f"{what}: HF_HUB_OFFLINE is set"
            raise OfflineError(message, hint="unset it, or pull from a folder")
        try:
            return self._api.model_info(repo, revision=revision, files_metadata=True, timeout=TIMEOUT_S)
        except HfHubHTTPError as error:
            headers: Mapping[str, str] = error.response.headers
            raise refusal(error.response.status_code, headers, what) from error
        except httpx2.HTTPError as error:
            message = f"{what}: {str(error) or type(error).__name__}"
            raise NetworkError(message) from error
        except HFValidationError as error:
            message = f"{what!r} is not the name of a repository"
            raise SchemaError(message, hint="a repository is written owner/name") from error
        except (ValueError, TypeError, KeyError) as error:
            message = f"{what}: the hub's answer is not what a hub answers"
            raise SchemaError(message, hint="is the endpoint really a Hugging Face style hub?") from error


def _license(info: ModelInfo) -> str | None:
    """The licence from the model card, else from the tags."""
    named = info.card_data.get("license") if info.card_data else None
    if isinstance(named, str):
        return named
    tagged = [tag.removeprefix("license:") for tag in info.tags or () if tag.startswith("license:")]
    return tagged[0] if tagged else None
