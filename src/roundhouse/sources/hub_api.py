"""What a Hugging Face style hub says about a repository, asked through huggingface_hub. Knows nothing about bytes.

huggingface_hub has one HTTP client per process. It is replaced here, once, by one that goes through our guard: which
hosts are allowed travels with the call, because several hubs may be configured.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import httpx2
from huggingface_hub import HfApi, ModelInfo, is_offline_mode, set_client_factory
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from huggingface_hub.hf_api import ModelSort_T

from roundhouse.core.browse import Query, Sort
from roundhouse.core.errors import NetworkError, OfflineError, SchemaError
from roundhouse.library.admission import together
from roundhouse.sources.connector import USER_AGENT, Guard
from roundhouse.sources.refusals import refusal

TIMEOUT_S = 15.0
_NAME = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
#: Our words for an order, and huggingface_hub's.
_SORTS: Mapping[Sort, ModelSort_T] = {
    "downloads": "downloads",
    "likes": "likes",
    "updated": "last_modified",
    "created": "created_at",
    "trending": "trending_score",
}

_TOO_MANY, _BROKEN = 429, 500
_LONGEST_LINE = 500

T = TypeVar("T")

_guard: ContextVar[Guard] = ContextVar("guard", default=Guard())  # noqa: B039 (a guard never changes)
#: What people call the question under way, for messages.
_what: ContextVar[str] = ContextVar("what", default="the hub")


class _GuardedTransport(httpx2.HTTPTransport):
    """Connects to the address that was checked, whatever the name resolves to a moment later.

    What could be tried again leaves as an error of ours: huggingface_hub would itself try again, asleep in a thread
    that nobody can wake.
    """

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        host = request.url.host
        try:
            found = socket.getaddrinfo(host, request.url.port or 443, type=socket.SOCK_STREAM)
        except OSError as error:
            message = f"{_what.get()}: the name {host} is not known"
            raise NetworkError(message) from error
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
        try:
            response = super().handle_request(pinned)
        except httpx2.HTTPError as error:
            raise _unreachable(error) from error
        if response.status_code == _TOO_MANY or response.status_code >= _BROKEN:
            response.close()
            raise refusal(response.status_code, response.headers, _what.get())
        return response


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
    #: Tokens that the model was trained on, as far as the hub has read that in a GGUF file.
    context: int | None = None
    gated: bool = False
    downloads: int | None = None
    likes: int | None = None
    updated_at: datetime | None = None
    #: What its publisher calls the licence, and where it stands: an address, or a file of the repository.
    license_name: str | None = None
    license_link: str | None = None
    #: It wants code of its own to be run by whoever loads it.
    remote_code: bool = False
    has_chat_template: bool = False


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
        what = f"{repo}@{revision}" if revision else repo
        return await self._ask(
            what,
            lambda: _revision(
                repo, self._api.model_info(repo, revision=revision, files_metadata=True, timeout=TIMEOUT_S)
            ),
        )

    async def search(self, query: Query) -> Sequence[str]:
        """The names of repositories with GGUF files that fit *query*, in the order that it asks for.

        Raises AuthError, LimitError, NetworkError, SchemaError, OfflineError.
        """
        return await self._ask("the hub's search", lambda: self._search(query))

    def _search(self, query: Query) -> list[str]:
        found = self._api.list_models(
            filter="gguf", search=query.text, author=query.owner, sort=_SORTS[query.sort], limit=query.limit
        )
        return [each.id for each in found if _NAME.fullmatch(each.id)]

    async def _ask(self, what: str, ask: Callable[[], T]) -> T:
        """What *ask* gives, with huggingface_hub's errors turned into ours."""
        if is_offline_mode():
            message = f"{what}: HF_HUB_OFFLINE is set"
            raise OfflineError(message, hint="unset it, or pull from a folder")
        guard, asked = _guard.set(self._guard), _what.set(what)
        try:
            return await asyncio.to_thread(_told, what, ask)
        finally:
            _guard.reset(guard)
            _what.reset(asked)


def _told(what: str, ask: Callable[[], T]) -> T:
    try:
        return ask()
    except HfHubHTTPError as error:
        headers: Mapping[str, str] = error.response.headers
        raise refusal(error.response.status_code, headers, what) from error
    except httpx2.HTTPError as error:
        raise _unreachable(error) from error
    except HFValidationError as error:
        message = f"{what!r} is not the name of a repository"
        raise SchemaError(message, hint="a repository is written owner/name") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        message = f"{what}: the hub's answer is not what a hub answers"
        hint = "is the endpoint really a Hugging Face style hub?"
        raise SchemaError(message, hint=hint, details={"not_a_hub": True}) from error


def _unreachable(error: httpx2.HTTPError) -> NetworkError:
    return NetworkError(f"{_what.get()}: {str(error) or type(error).__name__}")


def _revision(repo: str, info: ModelInfo) -> Revision:
    """What of *info* matters here. Raises SchemaError."""
    if not info.sha:
        message = f"{repo}: the hub does not name a commit"
        raise SchemaError(message)
    read: object = info.gguf
    header = read if isinstance(read, dict) else {}
    return Revision(
        commit=info.sha,
        files=tuple(
            RepoFile(each.rfilename, each.size, each.lfs.sha256 if each.lfs else None) for each in info.siblings or ()
        ),
        license=_license(info),
        context=_count(header.get("context_length")),
        gated=bool(info.gated),
        downloads=_count(info.downloads),
        likes=_count(info.likes),
        updated_at=info.last_modified,
        license_name=_carded(info, "license_name"),
        license_link=_carded(info, "license_link"),
        remote_code=_wants_code(info),
        has_chat_template=bool(header.get("chat_template")),
    )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None


def _license(info: ModelInfo) -> str | None:
    """The licence from the model card, else from the tags; several are one."""
    named: object = info.card_data.get("license") if info.card_data else None
    listed = named if isinstance(named, list) else [named]
    tagged = [tag.removeprefix("license:") for tag in info.tags or () if tag.startswith("license:")]
    carded = together([each for each in listed if isinstance(each, str)])
    return carded or together(tagged)


def _carded(info: ModelInfo, name: str) -> str | None:
    """One line of the model card."""
    said: object = info.card_data.get(name) if info.card_data else None
    return said if isinstance(said, str) and said.isprintable() and 0 < len(said) <= _LONGEST_LINE else None


def _wants_code(info: ModelInfo) -> bool:
    """Whether the hub marks a repository as one whose own code has to be trusted."""
    config: object = info.config
    return "custom_code" in (info.tags or ()) or (isinstance(config, dict) and "auto_map" in config)
