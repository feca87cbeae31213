import hashlib
import random

import pytest
from yarl import URL

from roundhouse.core.errors import LimitError, NetworkError, PolicyError, RoundhouseError
from roundhouse.sources.connector import Guard
from roundhouse.sources.ranges import Remote, Validators, head, open_range, version_of
from roundhouse.testing.hub import Hub
from roundhouse.testing.hub_faults import FaultKind

DATA = random.Random(3).randbytes(300_000)
SHA256 = hashlib.sha256(DATA).hexdigest()
SECRETS = {"Authorization": "Bearer canary", "x-api-key": "canary", "Cookie": "canary=1"}


def a_remote(hub: Hub, **credentials: str) -> Remote:
    """The one file on *hub*."""
    hub.add("acme/tiny", {"tiny.gguf": DATA})
    url = URL(f"{hub.endpoint}/acme/tiny/resolve/main/tiny.gguf")
    return Remote("tiny.gguf", url, Guard(["127.0.0.1"]), credentials)


async def read(remote: Remote, offset: int = 0, validators: Validators | None = None) -> tuple[int, int | None, bytes]:
    """Where the bytes begin, how many the file has, and the bytes."""
    async with open_range(remote, offset, validators or Validators(), "key") as stream:
        return stream.offset, stream.total, b"".join([piece async for piece in stream.chunks])


@pytest.mark.parametrize("offset", [0, 1, 299_999])
async def test_bytes_come_from_the_offset_on(offset: int) -> None:
    """Through the redirect to the CDN."""
    async with Hub() as hub:
        assert (offset, len(DATA), DATA[offset:]) == await read(a_remote(hub), offset)


async def test_at_the_end_there_is_nothing_left() -> None:
    """To be told so at the file's own size means complete."""
    async with Hub() as hub:
        assert (len(DATA), len(DATA), b"") == await read(a_remote(hub), len(DATA))


async def test_beyond_the_end_the_file_is_read_from_its_beginning() -> None:
    """Whatever we hold, it is not this file."""
    async with Hub() as hub:
        assert (0, len(DATA), DATA) == await read(a_remote(hub), len(DATA) + 1)


async def test_a_server_that_ignores_ranges_begins_at_zero() -> None:
    """And the caller is told."""
    async with Hub() as hub:
        fault = hub.plant(FaultKind.IGNORE_RANGE)
        assert (0, len(DATA), DATA) == await read(a_remote(hub), 1000)
        assert fault.fired == 1


async def test_a_file_that_changed_is_read_from_its_beginning() -> None:
    """If-Range with the ETag of the first answer."""
    async with Hub() as hub:
        remote, validators = a_remote(hub), Validators()
        await read(remote, 0, validators)
        hub.add("acme/tiny", {"tiny.gguf": DATA[::-1]})
        assert (0, len(DATA), DATA[::-1]) == await read(remote, 1000, validators)


async def test_credentials_stay_with_their_origin() -> None:
    """None of them reaches the CDN."""
    async with Hub() as hub:
        await read(a_remote(hub, **SECRETS))
        arrived = {seen.where: sum("canary" in value for value in seen.headers.values()) for seen in hub.seen}
    assert {"resolve": 3, "cdn": 0} == arrived


async def test_bytes_are_asked_for_as_they_are() -> None:
    """Compressed bytes would have another digest."""
    async with Hub() as hub:
        await read(a_remote(hub))
        assert {"identity"} == {seen.headers["Accept-Encoding"] for seen in hub.seen}


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (FaultKind.WRONG_RANGE, "sent others"),
        (FaultKind.LOGIN_PAGE, "web page"),
        (FaultKind.COMPRESSED, "compressed"),
        (FaultKind.CUT, "cut"),
        (FaultKind.STATUS, "answered 503"),
    ],
)
async def test_answers_that_are_not_the_bytes_are_refused(kind: FaultKind, words: str) -> None:
    """Retryable: the next answer may be the right one."""
    async with Hub() as hub:
        fault = hub.plant(kind)
        with pytest.raises(NetworkError, match=words) as caught:
            await read(a_remote(hub), 1000)
        assert (1, True) == (fault.fired, caught.value.retryable)


async def test_a_server_that_says_when_to_come_back_is_heard() -> None:
    """429 with Retry-After."""
    async with Hub() as hub:
        fault = hub.plant(FaultKind.STATUS, status=429, retry_after="17")
        with pytest.raises(LimitError) as caught:
            await read(a_remote(hub))
        assert (1, 17.0) == (fault.fired, caught.value.retry_after_s)


async def test_an_expired_signature_is_renewed_at_the_same_offset() -> None:
    """Within the one call: nobody waits, and nothing counts as failed."""
    async with Hub() as hub:
        fault = hub.plant(FaultKind.STATUS, status=403)
        assert (1000, len(DATA), DATA[1000:]) == await read(a_remote(hub), 1000)
        assert (1, 2) == (fault.fired, len(hub.downloads()))


async def test_a_signature_that_does_not_hold_is_worth_another_try() -> None:
    """403 from the CDN is not the hub's verdict."""
    async with Hub() as hub:
        fault = hub.plant(FaultKind.STATUS, status=403, times=2)
        with pytest.raises(NetworkError) as caught:
            await read(a_remote(hub))
        assert (2, True) == (fault.fired, caught.value.retryable)


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("http://10.0.0.1/x", PolicyError),
        ("http://169.254.169.254/latest", PolicyError),
        ("file:///etc/passwd", PolicyError),
        ("/acme/tiny/resolve/main/tiny.gguf", NetworkError),
    ],
    ids=["private", "metadata service", "file", "loop"],
)
async def test_redirects_to_where_they_must_not_lead(location: str, expected: type[RoundhouseError]) -> None:
    """Every hop passes the guard, and there is an end to hops."""
    async with Hub() as hub:
        fault = hub.plant(FaultKind.REDIRECT, where="resolve", location=location, times=99)
        with pytest.raises(expected):
            await read(a_remote(hub))
        assert fault.fired >= 1


async def test_nobody_there_is_a_network_error_without_the_address() -> None:
    """The address may be signed; the message names the file and the host."""
    remote = Remote("tiny.gguf", URL("http://127.0.0.1:1/?Signature=secret"), Guard(["127.0.0.1"]))
    with pytest.raises(NetworkError, match=r"tiny\.gguf: cannot connect to 127\.0\.0\.1:1") as caught:
        await read(remote)
    assert "secret" not in caught.value.message


async def test_a_server_that_refuses_head_says_nothing() -> None:
    """The size is then unknown, and GET will tell."""
    async with Hub() as hub:
        hub.plant(FaultKind.STATUS, where="resolve", status=403)
        assert await head(a_remote(hub)) is None


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"ETag": '"x"', "Last-Modified": "Mon"}, '"x"'),
        ({"ETag": 'W/"x"', "Last-Modified": "Mon"}, "Mon"),
        ({"ETag": 'W/"x"'}, None),
        ({}, None),
    ],
)
def test_versions_are_told_by_strong_etags_or_by_dates(headers: dict[str, str], expected: str | None) -> None:
    """A weak ETag does not promise equal bytes."""
    assert expected == version_of(headers)


async def test_a_server_without_ranges_sends_all_of_it() -> None:
    """And nobody takes that for the stretch that was asked for."""
    async with Hub() as hub:
        fault = hub.plant(FaultKind.IGNORE_RANGE)
        async with open_range(a_remote(hub), 0, Validators(), "key", 1000) as stream:
            assert (0, len(DATA), None) == (stream.offset, stream.total, stream.length)
        assert fault.fired == 1


def test_validators_are_bounded() -> None:
    """The oldest are forgotten."""
    validators = Validators()
    for number in range(1000):
        validators.note(str(number), '"x"')
    assert (None, '"x"') == (validators.get("0"), validators.get("999"))
