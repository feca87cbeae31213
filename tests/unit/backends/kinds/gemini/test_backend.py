"""Each quirk of Google's API, against the fake that has them."""

import asyncio
import json
from contextlib import aclosing
from typing import Any

import pytest

from roundhouse.backends.kinds.gemini.backend import Gemini
from roundhouse.backends.kinds.gemini.calls import Calls
from roundhouse.core.errors import (
    BackendError,
    NetworkError,
    RoundhouseError,
)
from roundhouse.core.inference import Answer, Capability, Chunk, Deployment, TokenUsage
from roundhouse.testing.asking import ask_chat, ask_completion, ask_embedding
from roundhouse.testing.clock import FakeClock
from roundhouse.testing.gemini import FakeGemini, Fault
from roundhouse.testing.gemini_shapes import NO_SIGNATURE, SIGNATURE, Model

TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "$schema": "x"}}}
CHATTER = "gemini-2.0-flash"
THINKER = "gemini-3-flash"


def at(model: str) -> Deployment:
    """That model, wherever."""
    return Deployment("google", model, model, frozenset())


async def chat(backend: Gemini, text: str = "hello there", model: str = CHATTER, **fields: Any) -> Answer:
    """One answer."""
    return await backend.answer(ask_chat(text, **fields), at(model))


async def told(backend: Gemini, text: str = "hello there", model: str = CHATTER, **fields: Any) -> list[Chunk]:
    """One streamed answer."""
    return [chunk async for chunk in backend.stream(ask_chat(text, stream=True, **fields), at(model))]


def choice(answer: Answer) -> dict[str, Any]:
    """The first choice of an answer."""
    found: dict[str, Any] = json.loads(answer.data)["choices"][0]
    return found


def deltas(chunks: list[Chunk]) -> list[dict[str, Any]]:
    """What each chunk adds."""
    return [each["delta"] for chunk in chunks for each in json.loads(chunk.data)["choices"]]


def text_of(chunks: list[Chunk]) -> str:
    """What a reader would see."""
    return "".join(delta.get("content", "") for delta in deltas(chunks))


async def test_the_list_is_read_to_its_last_page() -> None:
    """Whatever a page has."""
    models = [Model(f"gemini-2.{number}") for number in range(5)]
    async with FakeGemini(*models, page=2) as fake:
        backend = Gemini(Calls("google", fake.url), FakeClock())
        assert [model.name for model in models] == [each.model for each in await backend.deployments()]
        await backend.close()
    assert [None, "2", "4"] == [seen.query.get("pageToken") for seen in fake.seen]


async def test_the_list_tells_what_can_be_asked_for(gemini: Gemini) -> None:
    """Its methods, its limits, and whether it thinks; what only paints, speaks or films is left out."""
    listed = {each.model: each for each in await gemini.deployments()}
    assert {CHATTER, THINKER, "gemini-embedding-001"} == listed.keys()
    assert {Capability.EMBEDDING} == listed["gemini-embedding-001"].capabilities
    assert (2048, 1_048_576) == (listed["gemini-embedding-001"].context, listed[CHATTER].context)
    assert {Capability.THINKING} == listed[THINKER].capabilities - listed[CHATTER].capabilities
    assert {Capability.VISION, Capability.TOOLS} < listed[CHATTER].capabilities


async def test_models_that_somebody_named_are_there_without_the_list() -> None:
    """Also by Google's full name, and whether or not it is listed."""
    backend = Gemini(
        Calls("google", "http://127.0.0.1:9"), FakeClock(), models=["models/gemini-9", "gemma-3", "embedding-9"]
    )
    found = {each.model: each.capabilities for each in await backend.deployments()}
    assert {"gemini-9", "gemma-3", "embedding-9"} == found.keys()
    assert (True, False) == (Capability.TOOLS in found["gemini-9"], Capability.TOOLS in found["gemma-3"])
    assert {Capability.EMBEDDING} == found["embedding-9"]
    nameless = Gemini(Calls("google", "http://127.0.0.1:9"), FakeClock())
    with pytest.raises(NetworkError, match="google: it cannot be reached"):
        await nameless.deployments()
    assert not (await nameless.health()).ok
    await backend.close()
    await nameless.close()


@pytest.mark.parametrize("rubbish", ["<html>", "[]", '{"models":[{}]}', '{"models":1}', "[" * 100_000])
async def test_a_list_that_is_none_is_a_failure(fake: FakeGemini, gemini: Gemini, rubbish: str) -> None:
    """With an error of ours, whatever it is."""
    fake.rubbish = rubbish
    with pytest.raises(BackendError, match="google: that is not what Google answers"):
        await gemini.deployments()
    assert not (await gemini.health()).ok


async def test_health_is_asked_of_the_list_and_never_billed(fake: FakeGemini, gemini: Gemini) -> None:
    """One model of it is enough."""
    fake.seen.clear()
    assert (await gemini.health()).ok
    assert [("/v1beta/models", {"pageSize": "1"})] == [(seen.path, seen.query) for seen in fake.seen]


async def test_an_answer_has_what_openai_would_say(gemini: Gemini) -> None:
    """Text, why it ended, and what was used."""
    answer = await chat(gemini, "one two three")
    assert {"role": "assistant", "content": "one two three"} == choice(answer)["message"]
    assert "stop" == choice(answer)["finish_reason"]
    assert TokenUsage(3, 3) == answer.usage
    assert {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6} == json.loads(answer.data)["usage"]


async def test_an_answer_that_was_cut_says_so(gemini: Gemini) -> None:
    """Whole and streamed."""
    assert "length" == choice(await chat(gemini, "one two three", max_tokens=2))["finish_reason"]
    chunks = await told(gemini, "one two three", max_tokens=2)
    assert ["length"] == [json.loads(chunk.data)["choices"][0]["finish_reason"] for chunk in chunks if chunk.final]


async def test_a_stream_counts_once(gemini: Gemini) -> None:
    """Each event counts all tokens up to it: the last count is the one."""
    chunks = await told(gemini, "one two three")
    assert "one two three" == text_of(chunks)
    assert [TokenUsage(3, 3)] == [chunk.usage for chunk in chunks if chunk.usage is not None]
    assert chunks[-1].usage_only


async def test_thoughts_are_reasoning_and_are_paid_for(gemini: Gemini) -> None:
    """They come only when somebody said how much to think."""
    answer = await chat(gemini, "hi", THINKER, reasoning_effort="low")
    assert "hm" == choice(answer)["message"]["reasoning_content"]
    assert TokenUsage(1, 8) == answer.usage
    assert {"reasoning_tokens": 7} == json.loads(answer.data)["usage"]["completion_tokens_details"]
    chunks = await told(gemini, "hi", THINKER, reasoning_effort="low")
    assert ["hm"] == [delta["reasoning_content"] for delta in deltas(chunks) if "reasoning_content" in delta]
    assert "reasoning_content" not in choice(await chat(gemini, "hi", THINKER))["message"]


async def test_a_model_that_does_not_think_is_not_told_to(gemini: Gemini) -> None:
    """Google would refuse the whole request."""
    assert choice(await chat(gemini, "hi", CHATTER, reasoning_effort="high"))["message"]["content"]


async def test_what_was_cached_is_counted(fake: FakeGemini, gemini: Gemini) -> None:
    """A cached content is named where Google's OpenAI dialect has it, or plainly."""
    for fields in ({"cached_content": "cachedContents/1"}, {"extra_body": {"google": {"cached_content": "x"}}}):
        answer = await chat(gemini, "one two", **fields)
        assert TokenUsage(2, 2, 1) == answer.usage
        assert {"cached_tokens": 1} == json.loads(answer.data)["usage"]["prompt_tokens_details"]
    assert ["cachedContents/1", "x"] == [body["cachedContent"] for body in fake.bodies()]


async def test_calls_of_tools_get_ids_when_google_gives_none(gemini: Gemini) -> None:
    """And the arguments are text, as OpenAI has them."""
    answer = await chat(gemini, tools=[TOOL])
    (call,) = choice(answer)["message"]["tool_calls"]
    assert ("call_request_0_0", {"name": "look", "arguments": '{"a":1}'}) == (call["id"], call["function"])
    assert ("tool_calls", None) == (choice(answer)["finish_reason"], choice(answer)["message"]["content"])
    streamed = [delta["tool_calls"] for delta in deltas(await told(gemini, tools=[TOOL])) if "tool_calls" in delta]
    assert [[{"index": 0, **call}]] == streamed


@pytest.mark.parametrize("keeps", [True, False])
async def test_signatures_of_calls_come_back(fake: FakeGemini, gemini: Gemini, *, keeps: bool) -> None:
    """Newer models refuse calls without them; for a client that lost one Google knows a word."""
    (call,) = choice(await chat(gemini, "look!", THINKER, tools=[TOOL]))["message"]["tool_calls"]
    assert ("google-1", {"google": {"thought_signature": SIGNATURE}}) == (call["id"], call["extra_content"])
    if not keeps:
        del call["extra_content"]
    talk = [
        {"role": "user", "content": "look!"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": "nothing there"},
    ]
    await chat(gemini, model=THINKER, messages=talk, tools=[TOOL])
    _, called, result = fake.bodies()[-1]["contents"]
    assert [SIGNATURE if keeps else NO_SIGNATURE] == [part["thoughtSignature"] for part in called["parts"]]
    response = {"name": "look", "id": "google-1", "response": {"output": "nothing there"}}
    assert {"role": "user", "parts": [{"functionResponse": response}]} == result


async def test_signatures_of_texts_are_kept(gemini: Gemini) -> None:
    """They come on a part without a word, also in the middle of a stream, where nobody sees them."""
    message = choice(await chat(gemini, "hi", THINKER))["message"]
    assert ("hi", {"google": {"thought_signature": SIGNATURE}}) == (message["content"], message["extra_content"])
    chunks = await told(gemini, "hi", THINKER)
    assert [{"extra_content": {"google": {"thought_signature": SIGNATURE}}}] == deltas(chunks)[1:-1]
    assert [True, False, False, False] == [chunk.visible for chunk in chunks]


async def test_several_answers_come_with_their_numbers(gemini: Gemini) -> None:
    """The first has none on the wire, because zero is left out."""
    answer = json.loads((await chat(gemini, n=2)).data)
    assert [0, 1] == [each["index"] for each in answer["choices"]]


async def test_a_stream_may_have_fewer_answers_than_were_asked_for(gemini: Gemini) -> None:
    """Its end is the end of all."""
    assert [True] == [chunk.final for chunk in await told(gemini, n=2) if chunk.final]


async def test_likelihoods_are_told(gemini: Gemini) -> None:
    """A logarithm of zero is left out on the wire."""
    found = choice(await chat(gemini, "hi", logprobs=True, top_logprobs=2))["logprobs"]["content"]
    others = [{"token": "hi", "logprob": 0, "bytes": [104, 105]}, {"token": "x", "logprob": -3.5, "bytes": [120]}]
    assert [{"token": "hi", "logprob": 0, "bytes": [104, 105], "top_logprobs": others}] == found


async def test_a_blocked_prompt_is_an_answer(fake: FakeGemini, gemini: Gemini) -> None:
    """There is no candidate; the client learns why, and that it was no failure."""
    fake.plan(Fault.BLOCKED, Fault.BLOCKED)
    answer = await chat(gemini)
    refusal = "Google blocked the prompt: PROHIBITED_CONTENT"
    assert (refusal, "content_filter") == (choice(answer)["message"]["refusal"], choice(answer)["finish_reason"])
    assert TokenUsage(2) == answer.usage
    chunks = await told(gemini)
    assert [refusal] == [delta["refusal"] for delta in deltas(chunks) if "refusal" in delta]
    assert [True] == [chunk.final for chunk in chunks if chunk.final]


async def test_what_is_stopped_for_what_it_says_is_filtered(fake: FakeGemini, gemini: Gemini) -> None:
    """With what was said before."""
    fake.plan(Fault.UNSAFE)
    answer = await chat(gemini)
    assert ("hello there", "content_filter") == (choice(answer)["message"]["content"], choice(answer)["finish_reason"])


async def test_a_call_that_cannot_be_read_is_a_failure(fake: FakeGemini, gemini: Gemini) -> None:
    """Another try may do better."""
    fake.plan(Fault.MALFORMED, Fault.MALFORMED)
    with pytest.raises(BackendError, match="google: Gemini gave up: MALFORMED_FUNCTION_CALL"):
        await chat(gemini)
    with pytest.raises(BackendError, match="google: Gemini gave up: MALFORMED_FUNCTION_CALL"):
        await told(gemini)


async def test_an_answer_without_parts_is_empty(fake: FakeGemini, gemini: Gemini) -> None:
    """What is empty is left out, and is no failure."""
    fake.plan(Fault.EMPTY, Fault.EMPTY)
    assert {"role": "assistant", "content": ""} == choice(await chat(gemini))["message"]
    assert "" == text_of(await told(gemini))


async def test_an_error_inside_a_stream_is_raised_after_what_was_said(fake: FakeGemini, gemini: Gemini) -> None:
    """The status was 200 long ago."""
    fake.plan(Fault.ERROR_IN_ANSWER)
    stream = gemini.stream(ask_chat("one two", stream=True), at(CHATTER))
    assert "one" == text_of([await anext(stream)])
    with pytest.raises(BackendError, match="google: The model is overloaded"):
        await anext(stream)


async def test_an_error_in_a_list_is_one(fake: FakeGemini, gemini: Gemini) -> None:
    """Google says so where it would have sent a list of events."""
    fake.plan(Fault.LIST_OF_ERRORS)
    with pytest.raises(BackendError, match="google: The model is overloaded") as caught:
        await told(gemini)
    assert 503 == caught.value.details["status"]


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [(Fault.NO_REASON, BackendError, "in the middle of the answer"), (Fault.CUT_IN_TEXT, NetworkError, "was cut")],
)
async def test_a_stream_without_its_end_is_cut(
    fake: FakeGemini, gemini: Gemini, fault: Fault, kind: type[RoundhouseError], words: str
) -> None:
    """Nothing says that it is complete but the reason."""
    fake.plan(fault)
    with pytest.raises(kind, match=words):
        await told(gemini)


async def test_leaving_a_stream_stops_the_work(fake: FakeGemini, gemini: Gemini) -> None:
    """The connection is closed."""
    fake.may_go_on.clear()
    async with aclosing(gemini.stream(ask_chat("one two", stream=True), at(CHATTER))) as chunks:
        assert (await anext(chunks)).visible
    await asyncio.wait_for(fake.left.wait(), 5)
    assert fake.left.is_set()


async def test_a_completion_is_a_chat_of_one_message(fake: FakeGemini, gemini: Gemini) -> None:
    """Its answer is in the old shape."""
    answer = await gemini.answer(ask_completion("go on"), at(CHATTER))
    assert ("go on", "text_completion") == (choice(answer)["text"], json.loads(answer.data)["object"])
    assert [{"role": "user", "parts": [{"text": "go on"}]}] == fake.bodies()[0]["contents"]


async def test_many_texts_go_in_batches(fake: FakeGemini, gemini: Gemini) -> None:
    """Google takes a hundred at a time; the order stays."""
    texts = [f"text {number}" for number in range(150)]
    answer = json.loads((await gemini.answer(ask_embedding(*texts), at("gemini-embedding-001"))).data)
    assert [100, 50] == [len(body["requests"]) for body in fake.bodies()]
    assert list(range(150)) == [each["index"] for each in answer["data"]]
    (alone,) = json.loads((await gemini.answer(ask_embedding(texts[120]), at("gemini-embedding-001"))).data)["data"]
    assert alone["embedding"] == answer["data"][120]["embedding"]


async def test_shortened_vectors_are_of_length_one_again(fake: FakeGemini, gemini: Gemini) -> None:
    """As OpenAI's are; Google only cuts them."""
    request = ask_embedding("one", dimensions=4)
    answer = await gemini.answer(request, at("gemini-embedding-001"))
    vector = json.loads(answer.data)["data"][0]["embedding"]
    assert (4, pytest.approx(1)) == (len(vector), sum(number * number for number in vector))
    assert 4 == fake.bodies()[0]["requests"][0]["outputDimensionality"]
    assert answer.usage is None
