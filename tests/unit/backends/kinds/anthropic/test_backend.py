"""Each quirk of Anthropic, against the fake that has them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from roundhouse.backends.kinds.anthropic.backend import URL, Anthropic
from roundhouse.backends.kinds.anthropic.listing import undeclared
from roundhouse.backends.kinds.presets import address_of
from roundhouse.core.errors import (
    BackendError,
    ConfigError,
    DeadlineError,
    LimitError,
    NetworkError,
    RoundhouseError,
    SchemaError,
    TooLargeError,
)
from roundhouse.core.events import Events
from roundhouse.core.inference import Answer, Capability, Deployment, TokenUsage
from roundhouse.core.runtimes import Wish, Workshop
from roundhouse.testing.anthropic import KEY, Failure, FakeAnthropic, Fault
from roundhouse.testing.anthropic_shapes import NEWER, OLDER, OLDEST
from roundhouse.testing.asking import ask_chat, ask_completion, ask_embedding
from roundhouse.testing.clock import FakeClock

TOOLS = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 0}}, "required": ["a"]}
SHAPE = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
UNPAID = Failure(400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API.")
LIMITED = Failure(429, "rate_limit_error", "slow down", (("retry-after", "30"),))


@pytest.fixture
async def fake() -> AsyncIterator[FakeAnthropic]:
    """An account with three models."""
    async with FakeAnthropic() as it:
        yield it


def made(
    fake: FakeAnthropic, *keys: str, options: dict[str, Any] | None = None, models: tuple[str, ...] = (), **environ: str
) -> Anthropic:
    """The backend that speaks to it."""
    wish = Wish("cloud", "anthropic", fake.url, keys, models=models, options=options or {})
    return Anthropic.made(wish, Workshop(Events(), FakeClock(), environ, Path()))


@pytest.fixture
async def cloud(fake: FakeAnthropic) -> AsyncIterator[Anthropic]:
    """The backend, with one key."""
    backend = made(fake, KEY)
    yield backend
    await backend.close()


async def of(backend: Anthropic, model: str = NEWER.name) -> Deployment:
    """The deployment of one model."""
    return {each.model: each for each in await backend.deployments()}[model]


async def chat(backend: Anthropic, model: str = NEWER.name, **fields: Any) -> Answer:
    """One answer."""
    return await backend.answer(ask_chat(**{"text": "hello there", **fields}), await of(backend, model))


def message(answer: Answer) -> dict[str, Any]:
    """What was said."""
    said: dict[str, Any] = json.loads(answer.data)["choices"][0]["message"]
    return said


async def streamed(backend: Anthropic, model: str = NEWER.name, **fields: Any) -> list[dict[str, Any]]:
    """The deltas of one stream."""
    deployment = await of(backend, model)
    chunks = [chunk async for chunk in backend.stream(ask_chat(stream=True, **fields), deployment)]
    return [choice["delta"] for chunk in chunks for choice in json.loads(chunk.data)["choices"]]


def test_the_kind_knows_its_address() -> None:
    """Also whoever asks whether it is on this machine."""
    backend = Anthropic.made(Wish("cloud", "anthropic"), Workshop(Events(), FakeClock(), {}, Path()))
    assert URL == backend.url == address_of("anthropic")


async def test_the_usual_variable_holds_the_key_unless_one_is_named(fake: FakeAnthropic) -> None:
    """What somebody named comes first; a version at the end of the address is none of its own."""
    usual, named = made(fake, ANTHROPIC_API_KEY=KEY), made(fake, "own", ANTHROPIC_API_KEY=KEY)
    health = await usual.health(), await named.health()
    await usual.close()
    await named.close()
    assert [True, False] == [each.ok for each in health]


async def test_a_key_is_never_in_an_error(fake: FakeAnthropic) -> None:
    """Though the fake repeats it."""
    backend = made(fake, "secret-of-mine")
    with pytest.raises(BackendError, match="the key is refused") as caught:
        await backend.deployments()
    await backend.close()
    assert "secret-of-mine" not in str(caught.value)


async def test_all_models_are_listed_with_what_they_can(cloud: Anthropic, fake: FakeAnthropic) -> None:
    """Page by page."""
    deployments = {each.model: each for each in await cloud.deployments()}
    assert ({NEWER.name, OLDER.name, OLDEST.name}, 2) == (set(deployments), len(fake.listings))
    assert (1_000_000, True) == (deployments[NEWER.name].context, deployments[NEWER.name].local)
    assert Capability.THINKING not in deployments[OLDEST.name].capabilities


async def test_health_costs_nothing(cloud: Anthropic, fake: FakeAnthropic) -> None:
    """It is the list."""
    assert "answers; models: 3" == (await cloud.health()).detail
    assert [] == fake.seen


async def test_models_that_somebody_named_are_known_though_nobody_answers() -> None:
    """Whether they answer is for the breaker to find out."""
    wish = Wish("cloud", "anthropic", "http://127.0.0.1:9", models=["claude-opus-5"])
    backend = Anthropic.made(wish, Workshop(Events(), FakeClock(), {}, Path()))
    (deployment,) = await backend.deployments()
    health = await backend.health()
    await backend.close()
    assert ("claude-opus-5", 1_000_000, False) == (deployment.model, deployment.context, health.ok)


async def test_a_server_without_a_list_is_well(fake: FakeAnthropic) -> None:
    """If somebody named its models."""
    fake.has_list = False
    named, nameless = made(fake, KEY, models=(NEWER.name,)), made(fake, KEY)
    health = await named.health(), await nameless.health()
    answer = await chat(named)
    await named.close()
    await nameless.close()
    assert ([True, False], "hello there") == ([each.ok for each in health], message(answer)["content"])


async def test_nobody_at_home_is_told() -> None:
    """By the list as an error."""
    wish = Wish("cloud", "anthropic", "http://127.0.0.1:9")
    backend = Anthropic.made(wish, Workshop(Events(), FakeClock(), {}, Path()))
    with pytest.raises(NetworkError, match="cloud: it cannot be reached"):
        await backend.deployments()
    await backend.close()


@pytest.mark.parametrize("request_", [ask_completion(), ask_embedding()])
async def test_it_only_chats(cloud: Anthropic, request_: Any) -> None:
    """What it has no word for is refused here."""
    with pytest.raises(SchemaError, match="cloud: Anthropic chats"):
        await cloud.answer(request_, await of(cloud))


async def test_a_version_and_betas_are_in_every_request(fake: FakeAnthropic) -> None:
    """The fake refuses whoever names no version."""
    backend = made(fake, KEY, options={"beta": "files-api-2025-04-14"})
    await chat(backend)
    await backend.close()
    assert "files-api-2025-04-14" == fake.headers[0]["anthropic-beta"]


@pytest.mark.parametrize("model", [NEWER.name, OLDER.name, OLDEST.name])
async def test_a_temperature_is_no_reason_to_fail(cloud: Anthropic, model: str) -> None:
    """Whether the model takes one or not."""
    assert "hello there" == message(await chat(cloud, model, temperature=1.5, top_p=0.9))["content"]


@pytest.mark.parametrize(("model", "thought"), [(NEWER.name, True), (OLDER.name, True), (OLDEST.name, False)])
async def test_thinking_is_asked_for_in_the_models_words(cloud: Anthropic, model: str, *, thought: bool) -> None:
    """The fake refuses those of the others."""
    said = message(await chat(cloud, model, reasoning_effort="high", max_tokens=5000, temperature=0))
    assert thought == ("reasoning_content" in said)


@pytest.mark.parametrize("model", [NEWER.name, OLDER.name])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_tool_is_called_and_its_result_thought_about(cloud: Anthropic, model: str, *, stream: bool) -> None:
    """The thoughts go back with the call, signed: the fake, like Anthropic, wants them."""
    fields = {"tools": TOOLS, "reasoning_effort": "low", "max_tokens": 5000}
    if stream:
        said: dict[str, Any] = {"role": "assistant", "tool_calls": [], "thinking_blocks": []}
        for delta in await streamed(cloud, model, **fields):
            said["thinking_blocks"] += delta.get("thinking_blocks", [])
            for call in delta.get("tool_calls", []):
                if "id" in call:
                    said["tool_calls"].append(call)
                else:
                    said["tool_calls"][-1]["function"]["arguments"] += call["function"]["arguments"]
    else:
        said = message(await chat(cloud, model, **fields))
    (call,) = said["tool_calls"]
    assert ("toolu_01", {"a": 1}) == (call["id"], json.loads(call["function"]["arguments"]))
    result = {"role": "tool", "tool_call_id": call["id"], "content": "2"}
    history = [{"role": "user", "content": "add"}, said, result]
    again = message(await chat(cloud, model, messages=history, **{**fields, "tool_choice": "none"}))
    assert ("hm, let me see", "2") == (again["reasoning_content"], again["content"])


@pytest.mark.parametrize("model", [NEWER.name, OLDER.name, OLDEST.name])
async def test_a_shape_is_asked_for_in_the_models_words(cloud: Anthropic, model: str) -> None:
    """As a schema that can be enforced, or as a tool."""
    whole = message(await chat(cloud, model, response_format=SHAPE))["content"]
    pieces = "".join(delta.get("content", "") for delta in await streamed(cloud, model, response_format=SHAPE))
    expected = {"a": 1} if model == OLDEST.name else None
    assert expected == (json.loads(whole) if whole.startswith("{") else None)
    assert expected == (json.loads(pieces) if pieces.startswith("{") else None)


async def test_what_is_cached_is_told(fake: FakeAnthropic) -> None:
    """Inside the prompt, as OpenAI counts."""
    backend = made(fake, KEY, options={"cache": True})
    answer = await chat(backend)
    await backend.close()
    assert TokenUsage(17, 11, 7) == answer.usage


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (Failure(400, "invalid_request_error"), SchemaError),
        (Failure(401, "authentication_error"), BackendError),
        (Failure(402, "billing_error"), BackendError),
        (Failure(403, "permission_error"), BackendError),
        (Failure(404, "not_found_error", "model: gone"), BackendError),
        (Failure(409, "conflict_error"), BackendError),
        (Failure(413, "request_too_large"), TooLargeError),
        (Failure(429, "rate_limit_error"), LimitError),
        (Failure(500, "api_error"), BackendError),
        (Failure(504, "timeout_error"), DeadlineError),
        (Failure(529, "overloaded_error"), BackendError),
        (UNPAID, BackendError),
        (Failure(400, "invalid_request_error", "You have reached your specified API usage limits."), BackendError),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_each_error_is_one_of_ours(
    fake: FakeAnthropic, cloud: Anthropic, failure: Failure, kind: type[RoundhouseError], *, stream: bool
) -> None:
    """What the request is to blame for is not for others to try; that nobody paid is not the request's fault."""
    fake.plan(failure)
    with pytest.raises(RoundhouseError, match=r"^cloud: ") as caught:
        await (streamed(cloud) if stream else chat(cloud))
    assert isinstance(caught.value, kind)
    assert caught.value.retryable == (not issubclass(kind, SchemaError))
    assert (failure.status, "cloud") == (caught.value.details["status"], caught.value.details["backend"])
    assert 1 == fake.fired[Fault.STATUS]


async def test_limits_are_told_with_the_time_to_wait(fake: FakeAnthropic, cloud: Anthropic) -> None:
    """From the provider's headers."""
    headers = (
        ("Date", "Sat, 21 Nov 2026 12:00:00 GMT"),
        ("anthropic-ratelimit-output-tokens-remaining", "0"),
        ("anthropic-ratelimit-output-tokens-reset", "2026-11-21T12:00:07Z"),
    )
    fake.plan(Failure(429, "rate_limit_error", headers=headers))
    with pytest.raises(LimitError) as caught:
        await chat(cloud)
    limits = {"remaining-output-tokens": "0", "reset-output-tokens": "7.0s"}
    assert (7.0, limits) == (caught.value.retry_after_s, caught.value.details["limits"])


@pytest.mark.parametrize(
    "failure",
    [
        LIMITED,
        Failure(401, "authentication_error"),
        Failure(403, "permission_error"),
        Failure(402, "billing_error"),
        UNPAID,
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_another_key_is_used(fake: FakeAnthropic, failure: Failure, *, stream: bool) -> None:
    """When one rests, is refused or has nothing left to pay with; it is not asked again."""
    fake.keys["first"] = None
    backend = made(fake, "first", KEY)
    deployment = await of(backend)
    fake.keys["first"] = failure
    for _ in range(2):
        if stream:
            assert [chunk async for chunk in backend.stream(ask_chat(stream=True), deployment)]
        else:
            assert (await backend.answer(ask_chat(), deployment)).data
    warning = (await backend.health()).warning
    await backend.close()
    assert warning == (None if failure is LIMITED else "1 of 2 keys is refused")
    assert ["first", KEY, KEY] == [headers["x-api-key"] for headers in fake.headers]


async def test_when_all_keys_rest_it_says_for_how_long(fake: FakeAnthropic) -> None:
    """Which is no failure."""
    fake.keys = dict.fromkeys(("first", "second"), LIMITED)
    backend = made(fake, "first", "second")
    deployment = undeclared(NEWER.name).deployment("cloud", local=True)
    errors = []
    for _ in range(2):
        with pytest.raises(LimitError) as caught:
            await backend.answer(ask_chat(), deployment)
        errors.append(caught.value)
    await backend.close()
    assert (2, True) == (len(fake.headers), 29 < (errors[1].retry_after_s or 0) <= 30)


async def test_an_error_under_200_is_an_error(fake: FakeAnthropic, cloud: Anthropic) -> None:
    """After the words that came before it."""
    fake.plan(Fault.ERROR_IN_STREAM)
    stream = cloud.stream(ask_chat(stream=True), await of(cloud))
    first = await anext(stream)
    with pytest.raises(BackendError, match="cloud: Overloaded") as caught:
        await anext(stream)
    assert (True, 529, 1) == (first.visible, caught.value.details["status"], fake.fired[Fault.ERROR_IN_STREAM])


@pytest.mark.parametrize(("fault", "kind"), [(Fault.NO_STOP, BackendError), (Fault.CUT_IN_TEXT, NetworkError)])
async def test_a_cut_stream_is_an_error(
    fake: FakeAnthropic, cloud: Anthropic, fault: Fault, kind: type[Exception]
) -> None:
    """Also when it had told its reason."""
    fake.plan(fault)
    with pytest.raises(kind):
        await streamed(cloud)
    assert 1 == fake.fired[fault]


async def test_leaving_a_stream_stops_the_work(fake: FakeAnthropic, cloud: Anthropic) -> None:
    """The connection is closed, and the next request is served."""
    fake.may_go_on.clear()
    async with aclosing(cloud.stream(ask_chat(stream=True), await of(cloud))) as stream:
        await anext(stream)
    await asyncio.wait_for(fake.left.wait(), 5)
    assert (await chat(cloud)).data


async def test_silence_in_an_answer_ends_it(fake: FakeAnthropic) -> None:
    """After as much of it as is configured."""
    fake.may_go_on.clear()
    wish = Wish("cloud", "anthropic", fake.url, (KEY,), idle_s=0.05)
    backend = Anthropic.made(wish, Workshop(Events(), FakeClock(), {}, Path()))
    with pytest.raises(NetworkError, match="fell silent"):
        await streamed(backend)
    await backend.close()


async def test_a_request_of_the_wrong_shape_never_leaves(fake: FakeAnthropic, cloud: Anthropic) -> None:
    """It says whose words they are."""
    with pytest.raises(SchemaError, match="cloud: n: Anthropic"):
        await chat(cloud, n=2)
    assert [] == fake.seen


def test_options_that_make_no_sense_are_refused() -> None:
    """With the name of the backend."""
    wish = Wish("cloud", "anthropic", options={"colour": "red"})
    with pytest.raises(ConfigError, match=r"backends\.cloud\.options"):
        Anthropic.made(wish, Workshop(Events(), FakeClock(), {}, Path()))


def test_the_kind_has_its_door() -> None:
    """So that configuration finds it."""
    doors = [door.load() for door in entry_points(group="roundhouse.backends", name="anthropic")]
    assert [Anthropic.made] == doors
