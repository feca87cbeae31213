"""Two backends serve one model, and the better one is killed while it serves: who had seen nothing is answered."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from tests.e2e.conftest import Running

pytestmark = pytest.mark.slow

REQUESTS, AT_ONCE, KILL_AFTER = 200, 16, 40
MODEL = "pair"


@dataclass(frozen=True, slots=True)
class Victim:
    """A backend that is a process of its own."""

    url: str
    process: subprocess.Popen[str]


@pytest.fixture
def pair() -> Iterator[tuple[Victim, Victim]]:
    """Two backends with the same model; each answer takes a little while, so that the kill meets some under way."""
    with ExitStack() as stack:
        yield _start(stack), _start(stack)


def _start(stack: ExitStack) -> Victim:
    command = [sys.executable, "-m", "roundhouse.testing.upstream", "--model", MODEL, "--pace", "0.02"]
    process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    stack.callback(process.kill)
    assert process.stdout is not None
    return Victim(json.loads(process.stdout.readline())["address"], process)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_200_of_200_answer_when_the_first_is_killed(
    pair: tuple[Victim, Victim], up: Callable[..., Running], tmp_path: Path, *, stream: bool
) -> None:
    """Every request that had not started to stream is answered, the one way or the other."""
    first, second = pair
    config = tmp_path / "roundhouse.toml"
    config.write_text(
        f'[backends.first]\nurl = "{first.url}"\nprice_in = 0\nprice_out = 0\n'
        f'[backends.second]\nurl = "{second.url}"\nprice_in = 50\nprice_out = 50\n'
    )
    running = up(config=str(config))
    answers = await _storm(running.url, first, stream=stream)
    by = Counter(headers["x-roundhouse-backend"] for _, headers, _ in answers)
    tries = Counter(headers["x-roundhouse-attempts"] for _, headers, _ in answers)
    print(f"fallback: {len(answers)} answers, by backend {dict(by)}, by attempts {dict(tries)}")
    cut = [
        body for status, headers, body in answers if headers["x-roundhouse-backend"] == "first" and '"error"' in body
    ]
    whole = [status for status, _, body in answers if '"error"' not in body]
    assert first.process.wait(timeout=5) == -signal.SIGKILL
    assert by["first"] > 0
    assert by["second"] > 0
    assert tries["2"] > 0, "no request met the kill on its way"
    assert len(whole) + len(cut) == REQUESTS
    assert {200} == {status for status, _, _ in answers}
    assert stream or not cut


async def _storm(url: str, first: Victim, *, stream: bool) -> list[tuple[int, dict[str, str], str]]:
    """All requests, some at a time; the first backend dies after some have been answered."""
    body = {"model": MODEL, "messages": [{"role": "user", "content": "one two three four"}], "stream": stream}
    answers: list[tuple[int, dict[str, str], str]] = []
    gate = asyncio.Semaphore(AT_ONCE)

    async def ask(client: httpx2.AsyncClient) -> None:
        async with gate:
            answer = await client.post(f"{url}/v1/chat/completions", json=body)
        answers.append((answer.status_code, dict(answer.headers), answer.text))
        if len(answers) == KILL_AFTER:
            os.kill(first.process.pid, signal.SIGKILL)

    async with httpx2.AsyncClient(timeout=60) as client, asyncio.TaskGroup() as group:
        for _ in range(REQUESTS):
            group.create_task(ask(client))
    return answers
