"""The only way out of this process: names are resolved once, and addresses that are not public are refused.

Knows nothing about what is fetched. The hosts in *allowed* are the ones that an administrator configured: they may be
anywhere. A public page that redirects to a machine of this network gets nowhere.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection, Iterable

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver

import roundhouse
from roundhouse.core.errors import PolicyError

CONNECT_S = 10.0
#: Bytes that aiohttp keeps before it stops reading from the socket; larger pieces cost fewer wake-ups.
READ_BUFFER = 1 << 17
USER_AGENT = f"roundhouse/{roundhouse.__version__}"
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Guard:
    """Which addresses may be connected to."""

    def __init__(self, allowed: Collection[str] = ()) -> None:
        self._allowed = frozenset(host.lower() for host in allowed)
        self._loopback = any(is_loopback(host) for host in self._allowed)

    def check_host(self, host: str) -> None:
        """Refuse *host* when it is a literal address that is not public; names are checked once resolved.

        Raises PolicyError.
        """
        address = parse_address(host)
        if address is not None:
            self.check(host, [host])

    def check(self, host: str, addresses: Iterable[str]) -> None:
        """Refuse *host* when any of its *addresses* is not public. Raises PolicyError."""
        if host.lower() in self._allowed:
            return
        for text in addresses:
            address = parse_address(text)
            if address is None or not (is_public(address) or (self._loopback and address.is_loopback)):
                message = f"{host} is at {text}, which is not a public address"
                raise PolicyError(message, hint="Roundhouse fetches models from public addresses only")


def parse_address(text: str) -> Address | None:
    """The address that *text* is, brackets and zone aside; ``None`` for a name."""
    try:
        return ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether *host* is this machine, by name or by address."""
    address = parse_address(host)
    return host.lower() == "localhost" or (address is not None and address.is_loopback)


def is_public(address: Address) -> bool:
    """Whether *address* is reachable by everybody, looking through the ways to write IPv4 in IPv6."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = _embedded(address)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


class _GuardedResolver(AbstractResolver):
    """Resolves a name once; the connection goes to the address that was checked."""

    def __init__(self, guard: Guard) -> None:
        self._guard, self._inner = guard, DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        self._guard.check(host, [result["host"] for result in found])
        return found

    async def close(self) -> None:
        await self._inner.close()


def open_session(guard: Guard) -> aiohttp.ClientSession:
    """A session that cannot leave the guarded way, remembers nothing and decodes nothing.

    Literal addresses never reach a resolver: pass every URL's host through ``guard.check_host`` first.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=_GuardedResolver(guard), use_dns_cache=False),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        headers={"User-Agent": USER_AGENT},
        read_bufsize=READ_BUFFER,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
    )
