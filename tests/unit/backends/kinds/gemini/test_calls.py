"""Keys, addresses and failures of Google's API, against the fake that has its quirks."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from roundhouse.backends.kinds.gemini.backend import Gemini
from roundhouse.backends.kinds.gemini.calls import ADDRESS, Calls
from roundhouse.backends.kinds.presets import address_of
from roundhouse.backends.wire.failures import KeyRefusedError
from roundhouse.core.errors import (
    BackendError,
    ConfigError,
    DeadlineError,
    LimitError,
    RoundhouseError,
    SchemaError,
)
from roundhouse.core.events import Events
from roundhouse.core.inference import Answer, Chunk, Deployment
from roundhouse.core.runtimes import Wish, Workshop
from roundhouse.testing.asking import ask_chat
from roundhouse.testing.clock import FakeClock
from roundhouse.testing.gemini import FakeGemini, Fault

CHATTER = "gemini-2.0-flash"


def at(model: str) -> Deployment:
    """That model, wherever."""
    return Deployment("google", model, model, frozenset())


async def chat(backend: Gemini, model: str = CHATTER) -> Answer:
    """One answer."""
    return await backend.answer(ask_chat(), at(model))


async def told(backend: Gemini, model: str = CHATTER) -> list[Chunk]:
    """One streamed answer."""
    return [chunk async for chunk in backend.stream(ask_chat(stream=True), at(model))]


def workshop(**environ: str) -> Workshop:
    """One with these variables."""
    return Workshop(Events(), FakeClock(), environ, Path())


def used(fake: FakeGemini) -> list[str | None]:
    """The keys that came with questions."""
    return [seen.key for seen in fake.seen if seen.body]


async def test_the_key_goes_into_a_header_only(fake: FakeGemini, gemini: Gemini) -> None:
    """Addresses are written down everywhere."""
    await chat(gemini)
    await told(gemini)
    assert {"first-key"} == {seen.key for seen in fake.seen}
    assert [{"alt": "sse"}] == [seen.query for seen in fake.seen if seen.path.endswith(":streamGenerateContent")]


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (Fault.NO_CREDIT, KeyRefusedError, "no credit left"),
        (Fault.FORBIDDEN, KeyRefusedError, "the key is refused: Your API key was reported"),
        (Fault.FOREIGN_FILE, SchemaError, "access the File"),
        (Fault.REGION, BackendError, "User location is not supported"),
        (Fault.OVERLOADED, BackendError, "The model is overloaded"),
        (Fault.INTERNAL, BackendError, "An internal error"),
        (Fault.TOO_SLOW, DeadlineError, "The request timed out"),
        (Fault.ERROR_IN_ANSWER, BackendError, "An internal error"),
    ],
)
async def test_failures_are_what_they_are(
    fake: FakeGemini, fault: Fault, kind: type[RoundhouseError], words: str
) -> None:
    """Whatever their status says."""
    backend = Gemini(Calls("google", fake.url, ["the-key"]), FakeClock())
    fake.plan(fault)
    with pytest.raises(kind, match=words) as caught:
        await chat(backend)
    assert ("google", kind) == (caught.value.details["backend"], type(caught.value))
    await backend.close()


async def test_how_long_to_wait_is_in_the_body(fake: FakeGemini, gemini: Gemini) -> None:
    """When all keys are at their limits nobody is asked until then; the quota is named."""
    fake.plan(Fault.LIMITED, Fault.LIMITED)
    with pytest.raises(LimitError) as caught:
        await chat(gemini)
    assert 34.5 == caught.value.retry_after_s
    assert {"GenerateRequestsPerMinutePerProjectPerModel-FreeTier": "15"} == caught.value.details["limits"]
    with pytest.raises(LimitError, match="all its keys"):
        await told(gemini)
    assert ["first-key", "second-key"] == used(fake)


@pytest.mark.parametrize("fault", [Fault.LIMITED, Fault.FORBIDDEN, Fault.NO_CREDIT])
async def test_the_next_key_answers_when_one_may_not(fake: FakeGemini, gemini: Gemini, fault: Fault) -> None:
    """And goes on answering, whole and streamed."""
    fake.plan(fault)
    assert (await chat(gemini)).data
    assert await told(gemini)
    assert ["first-key", "second-key", "second-key"] == used(fake)


async def test_an_unknown_key_is_dropped_though_it_is_a_400() -> None:
    """The list finds out first."""
    async with FakeGemini(keys=["second-key"]) as fake:
        backend = Gemini(Calls("google", fake.url, ["first-key", "second-key"]), FakeClock())
        await backend.deployments()
        await chat(backend)
        assert ["first-key", "second-key", "second-key"] == [seen.key for seen in fake.seen]
        assert "1 of 2 keys is refused" == (await backend.health()).warning
        await backend.close()


async def test_without_a_key_that_is_known_there_is_no_list() -> None:
    """And health says why."""
    async with FakeGemini(keys=["other"]) as fake:
        backend = Gemini(Calls("google", fake.url, ["only-key"]), FakeClock())
        with pytest.raises(KeyRefusedError, match="google: the key is refused: API key not valid"):
            await backend.deployments()
        assert "the key is refused" in (await backend.health()).detail
        await backend.close()


def test_addresses_are_kept_but_not_all_for_ever() -> None:
    """Their names come from outside."""
    calls = Calls("google")
    places = [calls.place(f"gemini-{number}") for number in range(3000)]
    assert places[-1] is calls.place("gemini-2999")
    assert 1024 >= len(calls._places)
    assert (
        "/v1beta/tunedModels/a%20b:streamGenerateContent?alt=sse" == calls.place("tunedModels/a b").stream.raw_path_qs
    )


async def test_a_file_of_somebody_else_costs_no_key(fake: FakeGemini, gemini: Gemini) -> None:
    """It has the status of a key that is refused."""
    fake.plan(Fault.FOREIGN_FILE)
    with pytest.raises(SchemaError):
        await told(gemini)
    await chat(gemini)
    assert ["first-key", "first-key"] == used(fake)


async def test_no_key_is_in_an_error(fake: FakeGemini) -> None:
    """Though Google repeats the model's name, and a key may have got there."""
    backend = Gemini(Calls("google", fake.url, ["the-key-1"]), FakeClock())
    with pytest.raises(BackendError) as caught:
        await chat(backend, model="the-key-1")
    assert "google: models/… is not found" in caught.value.message
    await backend.close()


@pytest.mark.parametrize(
    ("environ", "keys", "expected"),
    [
        ({"GEMINI_API_KEY": "a", "GOOGLE_API_KEY": "b"}, (), "a"),
        ({"GOOGLE_API_KEY": "b"}, (), "b"),
        ({"GEMINI_API_KEY": "a"}, ("own",), "own"),
        ({}, (), None),
    ],
)
async def test_the_usual_variables_hold_the_key_unless_one_is_named(
    fake: FakeGemini, environ: Mapping[str, str], keys: tuple[str, ...], expected: str | None
) -> None:
    """Google's programs look in two."""
    backend = Gemini.made(Wish("google", "gemini", fake.url, keys), workshop(**environ))
    await chat(backend)
    assert [expected] == used(fake)
    await backend.close()


@pytest.mark.parametrize("tail", ["", "/", "/v1beta", "/v1beta/openai/", "/v1", "/v1beta/"])
async def test_any_address_of_it_will_do(fake: FakeGemini, tail: str) -> None:
    """Also the one of its OpenAI dialect."""
    backend = Gemini.made(Wish("google", "gemini", fake.url + tail), workshop())
    assert fake.url == backend.url
    await chat(backend)
    await backend.close()


def test_the_kind_is_enough() -> None:
    """Its address is known, so that everybody sees that it is not on this machine."""
    backend = Gemini.made(Wish("google", "gemini"), workshop())
    assert ADDRESS == backend.url == address_of("gemini")


def test_a_key_in_the_address_is_refused() -> None:
    """Without being repeated."""
    with pytest.raises(ConfigError) as caught:
        Gemini.made(Wish("google", "gemini", f"{ADDRESS}?key=secret"), workshop())
    assert "secret" not in f"{caught.value.message}{caught.value.hint}"
