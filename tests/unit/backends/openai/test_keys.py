"""Several keys for one address."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from roundhouse.backends.openai.compatible import OpenAICompatible
from roundhouse.core.errors import BackendError, LimitError, SchemaError
from roundhouse.core.inference import Deployment
from roundhouse.testing.asking import ask_chat
from roundhouse.testing.upstream import Fault, Planned, Upstream

ECHO = Deployment("cloud", "echo", "echo", frozenset())
LIMITED = Planned(Fault.STATUS, 429, (("Retry-After", "30"),))
REFUSED = Planned(Fault.STATUS, 401)
UNKNOWN = Planned(
    Fault.STATUS, 400, body=b'{"error":{"message":"API key not valid.","details":[{"reason":"API_KEY_INVALID"}]}}'
)


@asynccontextmanager
async def cloud(*faults: Planned) -> AsyncIterator[tuple[Upstream, OpenAICompatible]]:
    """A provider for which there are two keys."""
    async with Upstream() as upstream:
        upstream.plan(*faults)
        backend = OpenAICompatible("cloud", upstream.url, api_key=("first", "second"))
        yield upstream, backend
        await backend.close()


def used(upstream: Upstream) -> list[str]:
    """The keys that came, in their order."""
    return [seen.headers["Authorization"].removeprefix("Bearer ") for seen in upstream.seen]


@pytest.mark.parametrize("fault", [LIMITED, REFUSED, UNKNOWN, Planned(Fault.STATUS, 403)])
async def test_the_next_key_answers_when_one_may_not(fault: Planned) -> None:
    """And goes on answering: the first rests, or is not used again."""
    async with cloud(fault) as (upstream, backend):
        for _ in range(2):
            assert (await backend.answer(ask_chat(), ECHO)).data
    assert ["first", "second", "second"] == used(upstream)
    assert Counter({Fault.STATUS: 1}) == upstream.fired


@pytest.mark.parametrize("fault", [LIMITED, REFUSED, UNKNOWN])
async def test_streams_change_keys_too(fault: Planned) -> None:
    """Before the first byte nothing is lost."""
    async with cloud(fault) as (upstream, backend):
        chunks = [chunk async for chunk in backend.stream(ask_chat(stream=True), ECHO)]
    assert any(chunk.final for chunk in chunks)
    assert ["first", "second"] == used(upstream)


async def test_a_wrong_request_is_not_the_keys() -> None:
    """Most of what is refused with 400 would be with any key."""
    async with cloud(Planned(Fault.STATUS, 400, body=b'{"error":{"message":"n is too large"}}')) as (upstream, backend):
        with pytest.raises(SchemaError, match="n is too large"):
            [chunk async for chunk in backend.stream(ask_chat(stream=True), ECHO)]
        assert (await backend.answer(ask_chat(), ECHO)).data
    assert ["first", "first"] == used(upstream)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_key_that_says_it_is_used_up_gives_way(*, stream: bool) -> None:
    """Before it is refused: nobody pays for a 429 that could be foreseen."""
    async with cloud() as (upstream, backend):
        upstream.headers["first"] = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}
        for _ in range(3):
            if stream:
                assert [chunk async for chunk in backend.stream(ask_chat(stream=True), ECHO)]
            else:
                assert (await backend.answer(ask_chat(), ECHO)).data
    assert ["first", "second", "second"] == used(upstream)


async def test_when_all_are_used_up_the_one_that_is_back_first_is_asked() -> None:
    """A header is no refusal, and may be too careful."""
    async with cloud() as (upstream, backend):
        for key, reset in (("first", "6m0s"), ("second", "1m0s")):
            upstream.headers[key] = {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": reset}
        for _ in range(4):
            assert (await backend.answer(ask_chat(), ECHO)).data
    assert ["first", "second", "second", "second"] == used(upstream)


@pytest.mark.parametrize(
    "headers",
    [
        {"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "6m0s"},
        {"x-ratelimit-remaining-requests": "0"},
        {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1700000000"},
        {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "0s"},
    ],
)
async def test_a_key_with_something_left_stays_in_use(headers: dict[str, str]) -> None:
    """Nor does one give way of which nobody knows for how long."""
    async with cloud() as (upstream, backend):
        upstream.headers["first"] = headers
        for _ in range(2):
            assert (await backend.answer(ask_chat(), ECHO)).data
    assert ["first", "first"] == used(upstream)


async def test_a_clients_own_words_refuse_no_key() -> None:
    """A provider quotes them, with the same error for any key."""
    quoted = b'{"error":{"message":"Invalid value: \'invalid api key\'","type":"invalid_request_error"}}'
    async with cloud(Planned(Fault.STATUS, 400, body=quoted)) as (upstream, backend):
        with pytest.raises(SchemaError):
            await backend.answer(ask_chat(response_format={"type": "invalid api key"}), ECHO)
        assert (await backend.answer(ask_chat(), ECHO)).data
    assert ["first", "first"] == used(upstream)


async def test_the_list_is_asked_with_a_key_that_works() -> None:
    """It comes first, so it finds out which key is refused."""
    async with Upstream(api_key="second") as upstream:
        backend = OpenAICompatible("cloud", upstream.url, api_key=("first", "second"))
        assert ["echo"] == [each.model for each in await backend.deployments()]
        await backend.close()


async def test_when_all_rest_nobody_is_asked() -> None:
    """The error says when the first of them may be used again."""
    async with cloud(LIMITED, LIMITED) as (upstream, backend):
        for _ in range(2):
            with pytest.raises(LimitError) as caught:
                await backend.answer(ask_chat(), ECHO)
    assert 2 == len(upstream.seen)
    assert caught.value.retry_after_s == pytest.approx(30, abs=5)


@pytest.mark.parametrize("header", [("Retry-After", "9" * 400), ("Retry-After-Ms", "inf"), ("Retry-After-Ms", "nan")])
async def test_no_key_rests_for_ever(header: tuple[str, str]) -> None:
    """A wait that is none is as if nobody had told it: one second."""
    fault = Planned(Fault.STATUS, 429, (header,))
    async with cloud(fault, fault) as (_, backend):
        for _ in range(2):
            with pytest.raises(LimitError) as caught:
                await backend.answer(ask_chat(), ECHO)
    assert caught.value.retry_after_s == pytest.approx(0.5, abs=0.5)


async def test_a_backend_whose_keys_rest_is_well() -> None:
    """Who has asked too much has not found it ill."""
    async with cloud(LIMITED, LIMITED) as (_, backend):
        with pytest.raises(LimitError):
            await backend.answer(ask_chat(), ECHO)
        assert (await backend.health()).ok


@pytest.mark.parametrize(
    ("faults", "warning"),
    [((), None), ((LIMITED,), None), ((REFUSED,), "1 of 2 keys is refused"), ((UNKNOWN,), "1 of 2 keys is refused")],
)
async def test_a_refused_key_among_several_is_told(faults: tuple[Planned, ...], warning: str | None) -> None:
    """It answers, so it is well; which key it is nobody is told."""
    async with cloud(*faults) as (_, backend):
        await backend.answer(ask_chat(), ECHO)
        health = await backend.health()
    expected = "answers; models: 1" + (f"; {warning}" if warning else "")
    assert (True, warning, expected) == (health.ok, health.warning, health.told)


async def test_a_failure_is_not_the_keys() -> None:
    """What is out of order is so with any key."""
    async with cloud(Planned(Fault.STATUS, 500)) as (upstream, backend):
        with pytest.raises(BackendError):
            await backend.answer(ask_chat(), ECHO)
    assert ["first"] == used(upstream)


async def test_no_key_is_in_an_error() -> None:
    """Whichever of them the provider repeats."""
    told = b'{"error":{"message":"bad key second, bad key first"}}'
    async with cloud(Planned(Fault.STATUS, 500, body=told)) as (_, backend):
        with pytest.raises(BackendError) as caught:
            await backend.answer(ask_chat(), ECHO)
    assert "cloud: bad key …, bad key …" == caught.value.message


async def test_no_key_is_beside_an_errors_message() -> None:
    """Nor the beginning of one where the message was cut."""
    error = {"message": "." * 395 + "second", "type": "bad key first", "code": "second"}
    fault = Planned(Fault.STATUS, 400, body=json.dumps({"error": error}).encode())
    async with cloud(fault) as (_, backend):
        with pytest.raises(SchemaError) as caught:
            await backend.answer(ask_chat(), ECHO)
    assert "cloud: " + "." * 395 + "…" == caught.value.message
    assert ("bad key …", "…") == (caught.value.details["upstream_type"], caught.value.details["upstream_code"])
