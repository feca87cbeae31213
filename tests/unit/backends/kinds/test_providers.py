"""What providers do otherwise than OpenAI's dialect says, each over a fake that does it."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from roundhouse.backends.kinds.presets import PRESETS, made
from roundhouse.backends.openai.compatible import OpenAICompatible
from roundhouse.core.clock import SystemClock
from roundhouse.core.errors import BackendError, ConfigError, LimitError
from roundhouse.core.events import Events
from roundhouse.core.inference import Capability, Chunk, Deployment, Price, TokenUsage
from roundhouse.core.runtimes import Wish, Workshop
from roundhouse.testing.asking import ask_chat
from roundhouse.testing.providers import (
    DEEPSEEK,
    GROQ,
    MISTRAL,
    MODEL,
    MOONSHOT,
    OPENAI,
    OPENROUTER,
    TOGETHER,
    FakeProvider,
    Manners,
)
from roundhouse.testing.upstream import Fault, Planned

PLAIN = Manners()


def workshop() -> Workshop:
    """One without any variable."""
    return Workshop(Events(), SystemClock(), {}, Path("unused"))


@asynccontextmanager
async def provider(
    kind: str,
    manners: Manners = PLAIN,
    *,
    options: Mapping[str, str] | None = None,
    keys: tuple[str, ...] = ("k",),
    **more: Any,
) -> AsyncIterator[tuple[FakeProvider, OpenAICompatible]]:
    """A fake, and the backend of that kind over it."""
    async with FakeProvider(manners, **more) as fake:
        url = fake.url + ("/v1" if PRESETS[kind].quirks.is_unversioned else "")
        backend = made(Wish("cloud", kind, url, keys, options=options or {}), workshop())
        yield fake, backend
        await backend.close()


async def only(backend: OpenAICompatible) -> Deployment:
    """Its one deployment."""
    (one,) = await backend.deployments()
    return one


async def streamed(backend: OpenAICompatible) -> list[Chunk]:
    """A whole stream."""
    request = ask_chat("a b c", stream=True)
    return [chunk async for chunk in backend.stream(request, await only(backend))]


def last_usage(chunks: list[Chunk]) -> TokenUsage:
    """The total."""
    return [chunk.usage for chunk in chunks if chunk.usage is not None][-1]


@pytest.mark.parametrize("model", ["o3-mini", "gpt-5", "ft:gpt-5.4:me"])
@pytest.mark.parametrize("stream", [True, False])
async def test_openais_reasoning_models_get_the_limit_by_its_newer_name(model: str, stream: bool) -> None:  # noqa: FBT001
    """Most clients send the older one, which those refuse."""
    async with provider("openai", OPENAI, model=model) as (fake, backend):
        if stream:
            await streamed(backend)
        else:
            await backend.answer(ask_chat(max_tokens=5), await only(backend))
        assert "max_tokens" not in fake.seen[-1].body
        assert fake.seen[-1].body["max_completion_tokens"] in (5, 8)


async def test_openais_other_models_get_it_as_it_came() -> None:
    """They know both names."""
    async with provider("openai", model="gpt-4o") as (fake, backend):
        await backend.answer(ask_chat(max_tokens=5), await only(backend))
        assert 5 == fake.seen[-1].body["max_tokens"]


@pytest.mark.parametrize("kind", ["deepseek", "mistral", "xai", "cerebras"])
async def test_others_get_the_limit_by_its_older_name(kind: str) -> None:
    """The newer one would be refused, or there would be no limit at all."""
    async with provider(kind, DEEPSEEK) as (fake, backend):
        request = ask_chat()
        body = {key: value for key, value in json.loads(request.body).items() if key != "max_tokens"}
        body |= {"max_completion_tokens": 3}
        await backend.answer(replace(request, body=json.dumps(body).encode()), await only(backend))
        assert 3 == fake.seen[-1].body["max_tokens"]


async def test_mistral_is_not_asked_for_the_usage_that_it_tells_anyway() -> None:
    """It refuses to be asked."""
    async with provider("mistral", MISTRAL) as (_, backend):
        assert TokenUsage(3, 3) == last_usage(await streamed(backend))


async def test_mistral_gets_no_field_that_it_refuses() -> None:
    """A seed goes by its own name; what was thought before is left out of messages."""
    thoughtful = [{"role": "assistant", "content": "x", "reasoning_content": "hm", "reasoning": "hm"}]
    async with provider("mistral", MISTRAL) as (fake, backend):
        await backend.answer(ask_chat(messages=thoughtful, seed=7, user="me", store=False), await only(backend))
        assert (7, [{"role": "assistant", "content": "x"}]) == (
            fake.seen[-1].body["random_seed"],
            fake.seen[-1].body["messages"],
        )


async def test_mistral_declares_what_its_models_can() -> None:
    """Pictures, but no tools."""
    async with provider("mistral", MISTRAL) as (_, backend):
        one = await only(backend)
    assert 32_768 == one.context
    assert Capability.VISION in one.capabilities
    assert Capability.TOOLS not in one.capabilities


async def test_deepseeks_cached_tokens_are_counted() -> None:
    """It has a name of its own for them."""
    async with provider("deepseek", DEEPSEEK) as (_, backend):
        answer = await backend.answer(ask_chat("a b c"), await only(backend))
        chunks = await streamed(backend)
    assert TokenUsage(3, 3, cached=2) == answer.usage == last_usage(chunks)


async def test_signs_of_life_are_no_part_of_an_answer() -> None:
    """DeepSeek sends empty lines before an answer, and comments between the chunks of a stream."""
    async with provider("deepseek", DEEPSEEK) as (_, backend):
        assert json.loads((await backend.answer(ask_chat(), await only(backend))).data)["choices"]
        assert all(b"keep-alive" not in chunk.data for chunk in await streamed(backend))


async def test_an_account_without_credit_says_so() -> None:
    """Another backend may be tried; no breaker opens for it."""
    poor = Planned(Fault.STATUS, 402, body=b'{"error":{"message":"Insufficient Balance","type":"unknown_error"}}')
    async with provider("deepseek") as (fake, backend):
        fake.plan(poor)
        with pytest.raises(BackendError, match="no credit left: Insufficient Balance") as caught:
            await backend.answer(ask_chat(), await only(backend))
    assert (True, 402) == (caught.value.retryable, caught.value.details["status"])


async def test_another_key_may_have_credit() -> None:
    """Then it is used from then on."""
    async with provider("deepseek", keys=("poor", "rich")) as (fake, backend):
        fake.plan(Planned(Fault.STATUS, 402, body=b'{"error":{"message":"Insufficient Balance"}}'))
        assert (await backend.answer(ask_chat(), await only(backend))).data
        assert ["Bearer poor", "Bearer rich"] == [seen.headers["Authorization"] for seen in fake.seen]


async def test_groq_tells_its_context() -> None:
    """By a name of its own."""
    async with provider("groq", GROQ) as (_, backend):
        assert 131_072 == (await only(backend)).context


@pytest.mark.parametrize(("kind", "manners"), [("groq", GROQ), ("moonshot", MOONSHOT), ("mistral", MISTRAL)])
async def test_usage_is_read_where_it_stands(kind: str, manners: Manners) -> None:
    """Also in the chunk that ends the answer, each in a place of its own."""
    async with provider(kind, manners) as (_, backend):
        ends = [chunk for chunk in await streamed(backend) if chunk.final]
    assert [TokenUsage(3, 3)] == [chunk.usage for chunk in ends]


async def test_groqs_limits_say_when_to_come_again() -> None:
    """In its headers, of which the one that is used up counts."""
    headers = (
        ("x-ratelimit-remaining-requests", "14370"),
        ("x-ratelimit-reset-requests", "2m59.56s"),
        ("x-ratelimit-remaining-tokens", "0"),
        ("x-ratelimit-reset-tokens", "7.66s"),
    )
    async with provider("groq", GROQ) as (fake, backend):
        fake.plan(Planned(Fault.STATUS, 429, headers))
        with pytest.raises(LimitError) as caught:
            await backend.answer(ask_chat(), await only(backend))
    assert 7.66 == caught.value.retry_after_s


@pytest.mark.parametrize("kind", ["fireworks", "moonshot", "sambanova"])
async def test_many_tell_their_context_by_the_same_name(kind: str) -> None:
    """What is really served there."""
    async with provider(kind, MOONSHOT) as (_, backend):
        assert 262_144 == (await only(backend)).context


@pytest.mark.parametrize("usage", [3, "x", [], {"prompt_tokens": "many"}, None])
async def test_a_usage_inside_a_choice_that_is_none_is_left_alone(usage: object) -> None:
    """Nobody else has one there; it goes on as it came."""
    ends = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": usage}]}
    async with provider("moonshot", Manners(ends_with=ends)) as (_, backend):
        assert [None] == [chunk.usage for chunk in await streamed(backend) if chunk.final]


async def test_openrouter_tells_context_price_and_abilities() -> None:
    """USD for a token; tools only where they are named."""
    async with provider("openrouter", OPENROUTER) as (_, backend):
        one = await only(backend)
    assert (200_000, Price(0.000003, 0.000015)) == (one.context, one.price)
    assert Capability.VISION in one.capabilities
    assert Capability.TOOLS not in one.capabilities


@pytest.mark.parametrize(
    "pricing",
    [
        {"prompt": "-1", "completion": "-1"},
        {"prompt": "nan", "completion": "0"},
        {"prompt": "1e9", "completion": "0"},
        {"prompt": None, "completion": {}},
        {"prompt": "0"},
        [],
        "free",
        None,
    ],
)
async def test_a_price_that_is_none_is_unknown(pricing: object) -> None:
    """Its own router has no price before it has chosen."""
    async with provider("openrouter", Manners(card={"pricing": pricing})) as (_, backend):
        assert (await only(backend)).price is None


async def test_prices_of_an_unknown_kind_are_not_guessed() -> None:
    """Nobody knows how many tokens they are for."""
    async with provider("groq", OPENROUTER) as (_, backend):
        assert (await only(backend)).price is None


async def test_what_openrouter_charged_is_the_cost() -> None:
    """Of a whole answer and of a stream."""
    async with provider("openrouter", OPENROUTER) as (_, backend):
        answer = await backend.answer(ask_chat("a b c"), await only(backend))
        chunks = await streamed(backend)
    assert TokenUsage(3, 3, cost_usd=0.0042) == answer.usage == last_usage(chunks)


@pytest.mark.parametrize("cost", [-1, 10**400, True, "1", {"total_cost": 1}, None])
async def test_a_cost_that_is_none_is_unknown(cost: object) -> None:
    """Others may have an object there."""
    async with provider("openrouter", Manners(usage={"cost": cost})) as (_, backend):
        answer = await backend.answer(ask_chat("a b c"), await only(backend))
    assert TokenUsage(3, 3) == answer.usage


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        ({"code": "server_error", "message": "Provider disconnected"}, BackendError, "Provider disconnected"),
        ({"code": 429, "message": "Rate limit exceeded"}, LimitError, "Rate limit exceeded"),
        (None, BackendError, "ended in an error"),
    ],
)
async def test_a_stream_of_openrouter_may_fail_on_the_way(
    error: Mapping[str, object] | None, kind: type[Exception], said: str
) -> None:
    """Its last chunk says so, with a finish reason as if it were an end."""
    chunk: dict[str, object] = {"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]}
    ends = chunk if error is None else chunk | {"error": error}
    async with provider("openrouter", Manners(ends_with=ends)) as (_, backend):
        with pytest.raises(kind, match=said):
            await streamed(backend)


@pytest.mark.parametrize(
    ("choice", "kind", "said"),
    [
        ({"error": {"code": 502, "message": "no answer"}, "finish_reason": "error"}, BackendError, "no answer"),
        ({"error": {"code": 429, "message": "slow down"}, "finish_reason": "error"}, LimitError, "slow down"),
        ({"finish_reason": "error", "message": {"content": "half"}}, BackendError, "ended in an error"),
    ],
)
async def test_a_whole_answer_of_openrouter_may_have_failed(
    choice: Mapping[str, object], kind: type[Exception], said: str
) -> None:
    """Although its status is 200, inside the choice."""
    async with provider("openrouter", Manners(failed=choice)) as (_, backend):
        with pytest.raises(kind, match=said):
            await backend.answer(ask_chat(), await only(backend))


async def test_a_word_is_no_error() -> None:
    """An answer may speak of one."""
    async with provider("openrouter") as (_, backend):
        assert (await backend.answer(ask_chat('the "error" key'), await only(backend))).data


async def test_openrouter_is_told_who_asks_only_if_somebody_wants_that() -> None:
    """By options."""
    async with (
        provider("openrouter") as (fake, backend),
        provider("openrouter", options={"referer": "https://example.org", "title": "Desk"}) as (other, named),
    ):
        await backend.answer(ask_chat(), await only(backend))
        await named.answer(ask_chat(), await only(named))
    assert not {"HTTP-Referer", "X-Title"} & fake.seen[0].headers.keys()
    assert ("https://example.org", "Desk") == (
        other.seen[0].headers["HTTP-Referer"],
        other.seen[0].headers["X-Title"],
    )


def test_an_option_that_nobody_knows_is_refused() -> None:
    """With those that there are."""
    with pytest.raises(ConfigError, match="'tilte', which openrouter does not know") as caught:
        made(Wish("cloud", "openrouter", options={"tilte": "x"}), workshop())
    assert "there is referer, title" == caught.value.hint


async def test_togethers_list_has_nothing_around_it() -> None:
    """Nor are models for pictures among those that are offered; prices are for a million tokens."""
    others = [{"id": "draw", "type": "image"}, {"id": "rank", "type": "rerank"}, {"id": "vectors", "type": "embedding"}]
    async with provider("together", TOGETHER, also=others) as (_, backend):
        offered = {each.model: each for each in await backend.deployments()}
    assert (4096, Price(0.88e-6, 0.88e-6)) == (offered[MODEL].context, offered[MODEL].price)
    assert {Capability.RERANK} == offered["rank"].capabilities
    assert {Capability.EMBEDDING} == offered["vectors"].capabilities
    assert "draw" not in offered


@pytest.mark.parametrize("kind", ["perplexity", "github"])
def test_an_address_without_a_version_stays_as_it_is(kind: str) -> None:
    """Theirs would not be found with one."""
    assert PRESETS[kind].url == made(Wish("cloud", kind), workshop()).url
