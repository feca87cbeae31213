"""One model at two runtimes under two names, in a whole house."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from roundhouse.app import Roundhouse, open_roundhouse
from roundhouse.core.desks.routes import RouteQuestion
from roundhouse.core.inference import Operation
from roundhouse.settings import load
from roundhouse.testing.backend import a_request
from roundhouse.testing.ollama import FakeOllama
from roundhouse.testing.ollama_shapes import Model
from roundhouse.testing.upstream import Fault, Upstream

OLLAMAS, FILE, OTHER = "llama3.2:3b", "Llama-3.2-3B-Instruct-Q4_K_M", "Llama-3.2-3B-Instruct-Q8_0"
pytestmark = pytest.mark.slow


@pytest.fixture
async def runtime() -> AsyncIterator[Upstream]:
    """A runtime that calls its models by their files."""
    async with Upstream(models=(FILE, OTHER)) as running:
        yield running


@pytest.fixture
async def house(home: Path, runtime: Upstream) -> AsyncIterator[Roundhouse]:
    """A house with Ollama, and that runtime."""
    (home / "run").mkdir()
    async with FakeOllama(Model(OLLAMAS)) as ollama:
        flags = {
            "discovery.enabled": False,
            "downloads.offline": True,
            "backends.ollama.kind": "ollama",
            "backends.ollama.url": ollama.url,
            "backends.files.url": runtime.url,
            # Who answered how fast is left to chance, and must not decide here.
            "routing.weights.latency": 0,
        }
        async with open_roundhouse(load(home=home, flags=flags, environment={}), url="http://127.0.0.1:1") as house:
            yield house


def a_question(model: str) -> RouteQuestion:
    """A chat with *model*."""
    return RouteQuestion(model, Operation.CHAT, {"model": model, "messages": []}, 10)


async def test_a_route_tells_whose_weights_answer(house: Roundhouse) -> None:
    """The deployment of the other name is a candidate, with its reason."""
    found = await house.management.explain(a_question(OLLAMAS))
    assert {
        f"ollama/{OLLAMAS}": None,
        f"files/{FILE}": f"same weights as {OLLAMAS}: name (3.2 instruct llama 3b), Q4_K_M",
    } == {each.id: each.joined for each in found.candidates}


async def test_every_name_is_listed_and_names_the_others(house: Roundhouse) -> None:
    """What can be asked for stays what it was."""
    models = {each.name: each for each in await house.management.models()}
    assert {OLLAMAS: (FILE,), FILE: (OLLAMAS,), OTHER: ()} == {
        name: models[name].same_as for name in (OLLAMAS, FILE, OTHER)
    }
    assert (f"ollama/{OLLAMAS}",) == models[OLLAMAS].deployments


async def test_a_model_shows_what_is_the_same_and_what_is_not(house: Roundhouse) -> None:
    """The same weights, then other quantisations, each with the evidence."""
    same = (await house.management.model(OLLAMAS)).same
    assert [
        (f"files/{FILE}", "weights", True, "name (3.2 instruct llama 3b), Q4_K_M"),
        (f"files/{OTHER}", "model", False, "another quantisation: Q8_0, not Q4_K_M"),
    ] == [(each.id, each.same, each.serves, each.why) for each in same]


async def test_whoever_answers_is_on_record(house: Roundhouse, runtime: Upstream) -> None:
    """What was asked for, and what really served it; the other name is the fallback."""
    runtime.plan(Fault.STATUS)
    served, _ = await house.rooms.serving.answer(a_request(FILE))
    (record,) = await house.management.requests(1)
    assert (f"ollama/{OLLAMAS}", 2) == (served.deployment.id, served.attempts)
    assert (FILE, OLLAMAS, "ollama") == (record.requested, record.model, record.backend)
    assert [f"files/{FILE}", f"ollama/{OLLAMAS}"] == [each.deployment for each in record.attempts]


async def test_a_kept_answer_is_given_for_whoever_would_serve(house: Roundhouse, runtime: Upstream) -> None:
    """By either name the same deployment is first, so that the second question is answered from memory."""
    body = {"messages": [{"role": "user", "content": "hello"}], "temperature": 0}
    caches = []
    for number, name in enumerate((FILE, OLLAMAS)):
        request = replace(a_request(name), id=f"r-{number}", body=json.dumps({"model": name, **body}).encode())
        served, _ = await house.rooms.answering.answer(request)
        caches.append((served.deployment.id, served.cache))
    assert [(f"files/{FILE}", "miss"), (f"files/{FILE}", "hit")] == caches
    assert 1 == len([each for each in runtime.seen if each.path.endswith("/chat/completions")])
