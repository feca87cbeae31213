"""Who is asking, decided from the connection and its headers. Knows nothing about paths, bodies or answers.

Three questions, in this order: was this address meant (``Host``), does another site send it (``Origin``), and
whose key is it. One path for every form of credential; nothing is read from cookies or the query.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from roundhouse.access.keys import PREFIX, Keyring
from roundhouse.access.principal import LOCAL_USER, Principal
from roundhouse.core.errors import AuthError, ForbiddenError

#: A request with one of these was passed on by a proxy: the peer's address says nothing about who asks.
_PROXIED = frozenset({b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip", b"via"})
_WILDCARDS = frozenset({"0.0.0.0", "::"})
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(slots=True)
class _Headers:
    """The headers that matter here."""

    hosts: list[bytes] = field(default_factory=list)
    origins: list[bytes] = field(default_factory=list)
    credentials: list[bytes] = field(default_factory=list)
    proxied: bool = False


@dataclass(frozen=True, slots=True)
class Authority:
    """A host and a port, as they stand in a URL; the host in lower case, without brackets."""

    host: str
    port: int | None

    @property
    def is_loopback(self) -> bool:
        """Whether it names this machine and no other, whatever a name server says."""
        return self.host == "localhost" or self.host.endswith(".localhost") or is_loopback(self.host)


class Guard:
    """What a server that listens on *bound_host* and is known as *public_url* lets in."""

    __slots__ = ("_any_literal", "_keyring", "_names", "_trusted")

    def __init__(self, keyring: Keyring, *, bound_host: str = "127.0.0.1", public_url: str | None = None) -> None:
        self._keyring = keyring
        self._names = {bound_host.lower()} - _WILDCARDS
        public = _authority(public_url.partition("://")[2].partition("/")[0]) if public_url else None
        if public is not None:
            self._names.add(public.host)
        # A name can be made to resolve to us by whoever owns it (DNS rebinding); an address cannot.
        self._any_literal = bound_host in _WILDCARDS
        #: Host values let in so far, byte for byte. Bounded: it holds the usual spellings, not whatever clients send.
        self._trusted: dict[bytes, Authority] = {}

    def of_scope(self, scope: Mapping[str, Any]) -> Principal:
        """Decide from an ASGI scope. A Unix socket is as good as loopback: the folder it lies in is the key.

        Raises:
            ForbiddenError, AuthError: as ``authenticate`` does.

        """
        client, server = scope.get("client"), scope.get("server")
        peer = client[0] if client else None
        if peer is None and server is not None and server[1] is None:
            peer = "127.0.0.1"
        return self.authenticate(peer, scope["headers"])

    def authenticate(self, peer_ip: str | None, headers: Iterable[tuple[bytes, bytes]]) -> Principal:
        """Decide who asks. Header names are in lower case, as ASGI gives them.

        Raises:
            ForbiddenError: the Host or the Origin is foreign.
            AuthError: the key is wrong, or there is none where one is needed.

        """
        found = _sort(headers)
        host = self._check_host(found.hosts)
        if found.origins:
            _check_origin(found.origins, host)
        principal = self._of_keys(found.credentials) if found.credentials else None
        if principal is not None:
            return principal
        if peer_ip is not None and not found.proxied and (peer_ip == "127.0.0.1" or is_loopback(peer_ip)):
            return LOCAL_USER
        message = "a key is needed from anywhere but this machine"
        hint = "send a Roundhouse key as `Authorization: Bearer rh-…`; one is in the file admin.key of the home"
        raise AuthError(message, hint=hint)

    def _check_host(self, hosts: list[bytes]) -> Authority:
        """The authority that was asked for, if it is one of ours."""
        if len(hosts) == 1:
            known = self._trusted.get(hosts[0])
            if known is not None:
                return known
            authority = _authority(hosts[0].decode("latin-1"))
            if authority is not None and self._is_ours(authority):
                if len(self._trusted) < 64:  # noqa: PLR2004 - see the comment at its home
                    self._trusted[hosts[0]] = authority
                return authority
        message = "this Host is not one of ours" if hosts else "a request needs a Host"
        hint = "use http://127.0.0.1:… or the address in server.public_url"
        raise ForbiddenError(message, hint=hint)

    def _is_ours(self, authority: Authority) -> bool:
        return (
            authority.is_loopback
            or authority.host in self._names
            or (self._any_literal and _literal(authority.host) is not None)
        )

    def _of_keys(self, credentials: list[bytes]) -> Principal | None:
        """Whose keys these are; every one of our form must be right. Any other text is no key at all."""
        ours = [text for text in map(_key, credentials) if text.startswith(PREFIX)]
        owners = [self._keyring.recognise(key) for key in ours]
        if any(owner is None for owner in owners) or len({owner.name for owner in owners if owner}) > 1:
            raise AuthError(hint="the admin key is in the file admin.key of the home")
        return owners[0] if owners else None


def _sort(headers: Iterable[tuple[bytes, bytes]]) -> _Headers:
    found = _Headers()
    for name, value in headers:
        if name == b"host":
            found.hosts.append(value)
        elif name in {b"authorization", b"x-api-key"}:
            found.credentials.append(value)
        elif name == b"origin":
            found.origins.append(value)
        elif name in _PROXIED:
            found.proxied = True
    return found


def _key(credential: bytes) -> str:
    """The key in a header value: what follows ``Bearer``, or all of it."""
    text = credential.decode("latin-1").strip()
    scheme, _, rest = text.partition(" ")
    return rest.strip() if scheme.lower() == "bearer" else text


def _check_origin(origins: list[bytes], host: Authority) -> None:
    """A browser says which site sends: only our own pages may. ``null`` is foreign."""
    for value in origins:
        scheme, _, rest = value.decode("latin-1").partition("://")
        origin, default = _authority(rest), _DEFAULT_PORTS.get(scheme)
        if origin is None or default is None or not _same(origin, host, default):
            message = "another site may not send requests to this one"
            raise ForbiddenError(message)


def _same(origin: Authority, host: Authority, default: int) -> bool:
    same_name = origin.host == host.host or (origin.is_loopback and host.is_loopback)
    return same_name and (origin.port or default) == (host.port or default)


def _authority(text: str) -> Authority | None:
    """Read ``host[:port]`` strictly; ``None`` for anything that two parsers might read differently."""
    if (
        not text
        or not text.isascii()
        or any(char in text for char in "/?#@\\,%")
        or not text.isprintable()
        or " " in text
    ):
        return None
    try:
        parts = urlsplit(f"//{text}")
        return Authority(parts.hostname.removesuffix("."), parts.port) if parts.hostname else None
    except ValueError:
        return None


def _literal(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_loopback(text: str) -> bool:
    """Whether *text* is an address of this machine alone, IPv4 inside IPv6 included."""
    address = _literal(text)
    return address is not None and address.is_loopback
