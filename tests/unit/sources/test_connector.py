import ipaddress

import aiohttp
import pytest

from roundhouse.core.errors import PolicyError
from roundhouse.sources.connector import Guard, is_loopback, is_public, open_session
from roundhouse.testing.hub import Hub

PRIVATE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fd00::1", "ff02::1", "::ffff:10.0.0.1", "[::1]",
    "2002:7f00:1::", "64:ff9b::a00:1", "2001:0:4136:e378:8000:63bf:f5ff:fffe",
]  # fmt: skip


@pytest.mark.parametrize("host", PRIVATE)
def test_addresses_that_are_not_public_are_refused(host: str) -> None:
    """However they are written."""
    with pytest.raises(PolicyError, match="not a public address"):
        Guard().check_host(host)


@pytest.mark.parametrize("host", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "models.example"])
def test_public_addresses_and_names_pass(host: str) -> None:
    """Names are judged once they are resolved."""
    Guard().check_host(host)


def test_a_name_is_judged_by_all_its_addresses() -> None:
    """One bad address among good ones is enough."""
    with pytest.raises(PolicyError, match=r"10\.0\.0\.1"):
        Guard().check("evil.example", ["1.1.1.1", "10.0.0.1"])


def test_a_configured_host_may_be_anywhere() -> None:
    """A mirror in the own network is the administrator's choice."""
    Guard(["mirror.example"]).check("Mirror.example", ["10.0.0.1"])


def test_what_a_configured_host_points_to_may_not() -> None:
    """The permission is for the host, not for its neighbours."""
    with pytest.raises(PolicyError):
        Guard(["mirror.example"]).check("other.example", ["10.0.0.1"])


def test_an_endpoint_on_this_machine_may_send_us_to_this_machine() -> None:
    """A hub on the loopback has its files on the loopback; the rest of the network stays shut."""
    Guard(["127.0.0.1"]).check_host("127.0.0.2")
    with pytest.raises(PolicyError):
        Guard(["127.0.0.1"]).check_host("10.0.0.1")


@pytest.mark.parametrize(
    ("host", "expected"), [("localhost", True), ("[::1]", True), ("10.0.0.1", False), ("x", False)]
)
def test_this_machine_is_known_by_name_and_address(host: str, expected: bool) -> None:  # noqa: FBT001 (a table)
    """Loopback is what never leaves the machine."""
    assert expected == is_loopback(host)


def test_a_public_address_is_not_a_multicast_group() -> None:
    """A group is reachable by everybody, and nobody in particular."""
    assert not is_public(ipaddress.ip_address("233.252.0.1"))


async def test_names_are_checked_when_they_are_resolved() -> None:
    """A name that leads to this machine is refused before a packet is sent."""
    async with Hub() as hub, open_session(Guard()) as session:
        with pytest.raises(PolicyError, match="localhost is at"):
            await session.get(hub.endpoint.replace("127.0.0.1", "localhost"))
        assert [] == hub.seen


async def test_an_allowed_name_is_reached() -> None:
    """The same, allowed."""
    async with Hub() as hub, open_session(Guard(["localhost"])) as session:
        response = await session.get(hub.endpoint.replace("127.0.0.1", "localhost"))
        assert response.status == 404


async def test_a_session_keeps_no_cookies() -> None:
    """What one server sets no other gets."""
    async with open_session(Guard()) as session:
        assert isinstance(session.cookie_jar, aiohttp.DummyCookieJar)
