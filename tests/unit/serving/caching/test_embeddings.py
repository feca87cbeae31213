import json
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import pytest
from tests.unit.serving.caching.conftest import Hall, asking

from roundhouse.core.errors import BackendError
from roundhouse.core.inference import Answer, CacheUse, Deployment, InferenceRequest, Operation, TokenUsage
from roundhouse.testing.backend import FakeBackend


class Embedder(FakeBackend):
    """Embeds a text as its length, and as the number of its backend."""

    async def answer(self, request: InferenceRequest, deployment: Deployment) -> Answer:
        """One vector per input, the last one first: order is the index's business."""
        await super().answer(request, deployment)
        given = json.loads(request.body)["input"]
        inputs = given if isinstance(given, list) and not isinstance(given[0], int) else [given]
        data = [
            {"object": "embedding", "index": number, "embedding": [len(each), ord(self.name)]}
            for number, each in enumerate(inputs)
        ]
        usage = {"prompt_tokens": len(inputs), "total_tokens": len(inputs)}
        tree = {"object": "list", "data": data[::-1], "model": "tiny", "usage": usage}
        return Answer(json.dumps(tree).encode(), TokenUsage(prompt=len(inputs)))


class Mumbler(Embedder):
    """Says what was used in bytes that are no text, or so deep that nobody gets to the bottom of it."""

    said = b'{"\xff":1}'

    async def answer(self, request: InferenceRequest, deployment: Deployment) -> Answer:
        """One vector."""
        await super().answer(request, deployment)
        return Answer(b'{"data":[{"index":0,"embedding":[5]}],"usage":%b}' % self.said, TokenUsage(prompt=1))


@pytest.fixture
def hall() -> Hall:
    """Two that embed."""
    return Hall(a=Embedder("a"), b=Embedder("b"))


async def _embed(
    hall: Hall, given: object, cache: CacheUse = CacheUse.AUTO, rest: Mapping[str, object] = MappingProxyType({})
) -> tuple[str | None, list[object]]:
    """How it was served, and the vectors in their order."""
    request = asking({"input": given, **rest}, operation=Operation.EMBEDDING, cache=cache)
    served, answer = await hall.caching.answer(request)
    data = sorted(json.loads(answer.data)["data"], key=lambda each: each["index"])
    return served.cache, [each["embedding"] for each in data]


def _asked(hall: Hall) -> list[object]:
    return [json.loads(request.body)["input"] for request, _ in hall.a.calls]


async def test_a_text_is_embedded_once(hall: Hall) -> None:
    """Without being asked for: an embedding is always the same."""
    assert ("miss", [[5, 97]]) == await _embed(hall, "hello")
    assert ("hit", [[5, 97]]) == await _embed(hall, "hello")
    assert 1 == len(hall.a.calls)


@pytest.mark.parametrize("usage", [b'{"\xff":1}', b'{"x":%b1%b}' % (b"[" * 5000, b"]" * 5000)])
async def test_what_cannot_be_read_is_not_kept(usage: bytes) -> None:
    """It goes to the client as it came, each time anew."""
    mumbler = Mumbler("a")
    mumbler.said = usage
    hall = Hall(a=mumbler)
    for _ in range(2):
        request = asking({"input": "hello"}, operation=Operation.EMBEDDING)
        served, answer = await hall.caching.answer(request)
        assert ("miss", True) == (served.cache, usage in answer.data)
    assert 2 == len(hall.a.calls)


async def test_only_what_is_missing_goes_upstream(hall: Hall) -> None:
    """And all come back in the order that they were asked in."""
    await _embed(hall, ["a", "bbb"])
    assert ("miss", [[2, 97], [1, 97], [4, 97], [3, 97]]) == await _embed(hall, ["cc", "a", "dddd", "bbb"])
    assert [["a", "bbb"], ["cc", "dddd"]] == _asked(hall)


async def test_one_text_and_a_list_of_it_are_the_same(hall: Hall) -> None:
    """Each input is kept for itself."""
    await _embed(hall, "hello")
    assert ("hit", [[5, 97], [5, 97]]) == await _embed(hall, ["hello", "hello"])


async def test_token_ids_are_one_input(hall: Hall) -> None:
    """And no text that looks like them."""
    await _embed(hall, [1, 2, 3])
    assert "hit" == (await _embed(hall, [[1, 2, 3]]))[0]
    assert "miss" == (await _embed(hall, "[1, 2, 3]"))[0]


@pytest.mark.parametrize("rest", [{"dimensions": 8}, {"encoding_format": "base64"}, {"input_type": "query"}])
async def test_whatever_else_is_asked_makes_it_another(hall: Hall, rest: dict[str, object]) -> None:
    """Dimensions, encoding, and what only that backend knows."""
    await _embed(hall, "hello")
    assert "miss" == (await _embed(hall, "hello", rest=rest))[0]


async def test_who_asks_for_whom_does_not_matter(hall: Hall) -> None:
    """`user` is a note to the provider."""
    await _embed(hall, "hello")
    assert "hit" == (await _embed(hall, "hello", rest={"user": "somebody"}))[0]


async def test_vectors_of_two_models_are_never_mixed(hall: Hall) -> None:
    """When another one answers for the missing ones, it answers for all."""
    await _embed(hall, ["a"])
    hall.a.fail(BackendError(), times=5)
    assert ("miss", [[1, 98], [2, 98]]) == await _embed(hall, ["a", "bb"])
    assert ["r-1", "r-1", "r-1-all"] == [record.id for record in hall.records]


async def test_refreshing_asks_for_all(hall: Hall) -> None:
    """And keeps what came."""
    await _embed(hall, ["a"])
    assert "miss" == (await _embed(hall, ["a"], CacheUse.REFRESH))[0]
    assert "hit" == (await _embed(hall, ["a"]))[0]


async def test_tenants_do_not_share_embeddings(hall: Hall) -> None:
    """Whether somebody else has asked for a text is nobody's business."""
    await _embed(hall, "hello")
    request = replace(asking({"input": "hello"}, operation=Operation.EMBEDDING), principal="you")
    assert "miss" == (await hall.caching.answer(request))[0].cache


async def test_an_answer_that_lacks_some_is_not_kept(hall: Hall) -> None:
    """It is passed on as it came."""
    hall = Hall()
    for _ in range(2):
        request = asking({"input": "hello"}, operation=Operation.EMBEDDING)
        assert "miss" == (await hall.caching.answer(request))[0].cache
