"""What is asked of a registry: a manifest, and the token that it may demand first. Knows nothing about models.

A registry that wants a token says where to get one. It is asked for only on the registry's own host: nobody is to
send us anywhere else. Nobody logs in here; the token is the one that everybody gets.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Annotated

import aiohttp
import msgspec
from yarl import URL

from roundhouse.core.artifacts import Digest
from roundhouse.core.errors import AuthError, PolicyError, RoundhouseError, SchemaError, VerifyError
from roundhouse.sources.connector import is_loopback
from roundhouse.sources.ranges import Remote, ask
from roundhouse.sources.refusals import refusal
from roundhouse.sources.registry.manifest import ACCEPT

_OK, _UNAUTHORIZED = 200, 401
#: The largest manifest that a registry has to take, by its own specification.
_MANIFEST_BYTES = 4 << 20
_TOKEN_BYTES = 64 << 10
_REMEMBERED = 64
_BEARER = re.compile(r"\s*bearer\s+(?P<parameters>.*)", re.IGNORECASE | re.DOTALL)
_PARAMETER = re.compile(r'(\w+)\s*=\s*"([^"]*)"')

_NO_ACCOUNT = "Roundhouse reads what a registry shows to everybody; it has no account there"


class _Token(msgspec.Struct):
    token: Annotated[str, msgspec.Meta(max_length=_TOKEN_BYTES)] = ""
    access_token: Annotated[str, msgspec.Meta(max_length=_TOKEN_BYTES)] = ""


class RegistryApi:
    """Registries, and the tokens that they gave."""

    def __init__(self) -> None:
        #: By the repository's URL. No clock: a token is used until it is refused.
        self._credentials: OrderedDict[str, Mapping[str, str]] = OrderedDict()

    def credentials(self, repository_url: str) -> Mapping[str, str]:
        """The headers that the repository was last satisfied with."""
        return self._credentials.get(repository_url, {})

    async def manifest(self, remote: Remote, repository_url: str, expected: Digest | None) -> tuple[bytes, Digest]:
        """The manifest at *remote*, as it was sent, and its digest.

        Raises NotFoundError, AuthError, PolicyError, NetworkError, LimitError, SchemaError, VerifyError.
        """
        known = self.credentials(repository_url)
        try:
            raw, told = await self._manifest(remote, known)
        except _ChallengeError as challenge:
            told_anew = await self.answer_challenge(remote, repository_url, challenge.headers)
            try:
                raw, told = await self._manifest(remote, told_anew)
            except _ChallengeError as again:
                raise no_account(remote.name) from again
        digest = Digest(hashlib.sha256(raw).hexdigest())
        for promised in (expected, told):
            if promised not in {None, digest}:
                message = f"{remote.name}: the manifest that came is not the one that was promised"
                details: dict[str, object] = {"expected": promised, "actual": digest}
                raise VerifyError(
                    message, hint="try again, and distrust the registry if it happens again", details=details
                )
        return raw, digest

    async def _manifest(self, remote: Remote, credentials: Mapping[str, str]) -> tuple[bytes, Digest | None]:
        known = Remote(remote.name, remote.url, remote.guard, credentials)
        async with ask(known, {"Accept": ACCEPT}) as response:
            if response.status == _UNAUTHORIZED:
                raise _ChallengeError(response.headers.getall("WWW-Authenticate", ()))
            if response.status != _OK:
                raise refusal(response.status, response.headers, remote.name)
            told = response.headers.get("Docker-Content-Digest", "")
            body = await _body(response, _MANIFEST_BYTES, remote.name)
            return body, Digest(told) if told.startswith("sha256:") else None

    async def renew(self, remote: Remote, repository_url: str) -> Mapping[str, str]:
        """Headers for *remote*, which refused the ones that we had.

        Raises AuthError, PolicyError, NetworkError, LimitError, SchemaError.
        """
        async with ask(remote, {}, method="HEAD") as response:
            if response.status != _UNAUTHORIZED:
                return {}
            challenges = response.headers.getall("WWW-Authenticate", ())
        return await self.answer_challenge(remote, repository_url, challenges)

    async def answer_challenge(
        self, remote: Remote, repository_url: str, challenges: tuple[str, ...] | list[str]
    ) -> Mapping[str, str]:
        """Headers that satisfy *challenges*, remembered for the repository.

        Raises AuthError, PolicyError, NetworkError, LimitError, SchemaError.
        """
        url = token_url(challenges, remote)
        asked = Remote(remote.name, url, remote.guard)
        async with ask(asked, {"Accept": "application/json"}) as response:
            if response.url.host != remote.url.host:
                raise _elsewhere(remote.name, response.url.host)
            if response.status == _UNAUTHORIZED:
                raise no_account(remote.name)
            if response.status != _OK:
                raise refusal(response.status, response.headers, remote.name)
            body = await _body(response, _TOKEN_BYTES, remote.name)
        headers = self._credentials[repository_url] = {"Authorization": f"Bearer {_token(body, remote.name)}"}
        self._credentials.move_to_end(repository_url)
        while len(self._credentials) > _REMEMBERED:
            self._credentials.popitem(last=False)
        return headers


class _ChallengeError(Exception):
    """The registry wants a token."""

    def __init__(self, headers: tuple[str, ...] | list[str]) -> None:
        super().__init__()
        self.headers = headers


def token_url(challenges: tuple[str, ...] | list[str], remote: Remote) -> URL:
    """Where the registry at *remote* gives tokens. Raises AuthError, PolicyError."""
    bearer = next((found for each in challenges if (found := _BEARER.fullmatch(each))), None)
    parameters = dict(_PARAMETER.findall(bearer["parameters"])) if bearer else {}
    try:
        realm = URL(parameters.get("realm", ""), encoded=True)
        host = realm.host
    except ValueError:
        host = None
    if bearer is None or not host:
        raise no_account(remote.name)
    if host != remote.url.host:
        raise _elsewhere(remote.name, host)
    if realm.scheme != "https" and not (realm.scheme == "http" and is_loopback(host)):
        message = f"{remote.name}: the registry gives its tokens over {realm.scheme}"
        raise PolicyError(message, hint="anybody on the way could read them")
    return realm.extend_query({name: parameters[name] for name in ("service", "scope") if name in parameters})


def no_account(name: str) -> RoundhouseError:
    """Why it ends here."""
    message = f"{name} does not exist, or the registry shows it only to those who log in"
    return AuthError(message, hint=_NO_ACCOUNT)


def _elsewhere(name: str, host: str | None) -> RoundhouseError:
    message = f"{name}: the registry sends us to {host} for a token, which is not its own host"
    return PolicyError(message, hint="a registry that gives its tokens itself would do")


async def _body(response: aiohttp.ClientResponse, most: int, name: str) -> bytes:
    """The whole body. Raises SchemaError when it is too long for what it should be."""
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > most:
            message = f"{name}: the registry's answer is longer than {most} bytes"
            raise SchemaError(message)
    return bytes(body)


def _token(body: bytes, name: str) -> str:
    try:
        told = msgspec.json.decode(body, type=_Token)
    except (msgspec.DecodeError, RecursionError):
        told = _Token()
    token = told.token or told.access_token
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        message = f"{name}: the registry's answer holds no token"
        raise SchemaError(message)
    return token
