"""The port Backend: one suite over the fake and over everything real that we speak to."""

import asyncio
import json
import struct
from base64 import b64decode
from contextlib import aclosing

import pytest

from roundhouse.core.errors import BackendError, SchemaError
from roundhouse.core.inference import Chunk, Deployment, Operation
from roundhouse.testing.asking import ask, ask_chat, ask_completion, ask_embedding
from roundhouse.testing.subject import Subject


def text_of(chunks: list[Chunk]) -> str:
    """What a reader of these chunks would see."""
    said = ""
    for chunk in chunks:
        for choice in json.loads(chunk.data)["choices"]:
            said += choice.get("text") or (choice.get("delta") or {}).get("content") or ""
    return said


async def test_it_lists_what_it_serves(subject: Subject) -> None:
    """A deployment carries the backend's name and is on this machine."""
    deployment = await subject.deployment()
    assert (subject.backend.name, True) == (deployment.backend, deployment.local)


async def test_it_is_well(subject: Subject) -> None:
    """A backend that answers says so, in words."""
    health = await subject.backend.health()
    assert (True, True) == (health.ok, bool(health.detail))


async def test_it_answers_a_chat(subject: Subject) -> None:
    """A whole answer is OpenAI's JSON and says what was used."""
    answer = await subject.backend.answer(ask_chat(), await subject.deployment())
    assert json.loads(answer.data)["choices"][0]["message"]["content"]
    assert answer.usage is not None
    assert answer.usage.prompt > 0
    assert answer.usage.completion > 0


async def test_it_streams_a_chat(subject: Subject) -> None:
    """A stream shows something, then finishes, and says what was used even if the client did not ask."""
    chunks = [chunk async for chunk in subject.backend.stream(ask_chat(stream=True), await subject.deployment())]
    assert text_of(chunks)
    assert [True] == [chunk.final for chunk in chunks if chunk.final]
    assert [True] == [chunk.usage.completion > 0 for chunk in chunks if chunk.usage is not None]


async def test_text_is_visible_before_the_end(subject: Subject) -> None:
    """The point of no return is the first chunk with text, not the last."""
    chunks = [chunk async for chunk in subject.backend.stream(ask_chat(stream=True), await subject.deployment())]
    visible = [number for number, chunk in enumerate(chunks) if chunk.visible]
    final = [number for number, chunk in enumerate(chunks) if chunk.final]
    assert visible[0] < final[0]


async def test_a_lone_usage_chunk_is_marked(subject: Subject) -> None:
    """What only carries the usage can be kept from clients that did not ask for it."""
    chunks = [chunk async for chunk in subject.backend.stream(ask_chat(stream=True), await subject.deployment())]
    assert [[]] == [json.loads(chunk.data)["choices"] for chunk in chunks if chunk.usage_only]


async def test_it_completes(subject: Subject) -> None:
    """The old completion endpoint works too, whole."""
    if not subject.completes:
        pytest.skip("it only chats")
    answer = await subject.backend.answer(ask_completion(), await subject.deployment())
    assert json.loads(answer.data)["choices"][0]["text"]


async def test_it_streams_a_completion(subject: Subject) -> None:
    """The old completion endpoint works too, streamed."""
    if not subject.completes:
        pytest.skip("it only chats")
    request = ask_completion(stream=True)
    chunks = [chunk async for chunk in subject.backend.stream(request, await subject.deployment())]
    assert text_of(chunks)
    assert any(chunk.final for chunk in chunks)


async def test_it_embeds(subject: Subject, embedding: str) -> None:
    """Floats by default."""
    answer = await subject.backend.answer(ask_embedding(), await subject.deployment(embedding))
    vector = json.loads(answer.data)["data"][0]["embedding"]
    assert all(isinstance(number, float) for number in vector)


async def test_base64_embeddings_are_the_same_numbers(subject: Subject, embedding: str) -> None:
    """The encoding that the OpenAI SDK asks for by default, also from backends that only know floats."""
    deployment = await subject.deployment(embedding)
    floats = await subject.backend.answer(ask_embedding(encoding_format="float"), deployment)
    packed = await subject.backend.answer(ask_embedding(encoding_format="base64"), deployment)
    expected = json.loads(floats.data)["data"][0]["embedding"]
    raw = b64decode(json.loads(packed.data)["data"][0]["embedding"])
    assert pytest.approx(expected, abs=1e-6) == list(struct.unpack(f"<{len(expected)}f", raw))


async def test_a_wrong_request_is_not_for_others_to_try(subject: Subject) -> None:
    """A body that no backend could serve is the client's error."""
    with pytest.raises(SchemaError) as caught:
        await subject.backend.answer(ask(Operation.CHAT), await subject.deployment())
    assert not caught.value.retryable


async def test_a_model_that_it_lacks_may_be_elsewhere(subject: Subject) -> None:
    """Not to have a model is this backend's failure, which another may make good."""
    if not subject.knows_names:
        pytest.skip("it does not look at the name")
    known = await subject.deployment()
    gone = Deployment(known.backend, "gone", "gone", known.capabilities)
    with pytest.raises(BackendError) as caught:
        await subject.backend.answer(ask_chat(), gone)
    assert caught.value.retryable


async def test_errors_of_a_stream_come_on_iteration(subject: Subject) -> None:
    """A stream that cannot begin raises the same as a whole answer."""
    with pytest.raises(SchemaError):
        [chunk async for chunk in subject.backend.stream(ask(Operation.CHAT, stream=True), await subject.deployment())]


async def test_a_stream_may_be_left(subject: Subject) -> None:
    """Closing a stream early is no error, and the next request is served."""
    deployment = await subject.deployment()
    async with aclosing(subject.backend.stream(ask_chat(stream=True, max_tokens=500), deployment)) as chunks:  # type: ignore[type-var]
        async for chunk in chunks:
            if chunk.visible:
                break
    assert (await subject.backend.answer(ask_chat(), deployment)).data


async def test_it_serves_many_at_once(subject: Subject) -> None:
    """More requests than slots all get their answers."""
    deployment = await subject.deployment()
    answers = await asyncio.gather(*[subject.backend.answer(ask_chat(), deployment) for _ in range(12)])
    assert 12 == len([answer for answer in answers if answer.usage is not None])


async def test_unknown_fields_pass_through(subject: Subject) -> None:
    """A field that we do not know is the backend's to know."""
    request = ask_chat(temperature=0.1, seed=7, metadata={"room": "shed"})
    assert (await subject.backend.answer(request, await subject.deployment())).data
