"""Native code that dies: it costs the requests that were in it, and nothing else."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace

import psutil
import pytest

from roundhouse.core.clock import SystemClock
from roundhouse.core.errors import BackendError
from roundhouse.core.inference import Chunk, Deployment
from roundhouse.health.standing import Standings
from roundhouse.routing.snapshot import Snapshot
from roundhouse.serving.serve import Serving
from roundhouse.testing.asking import ask_chat
from roundhouse.testing.runtime import LIMITS, Runtime, children

pytestmark = pytest.mark.slow

ENVIRON = dict(os.environ)  # noqa: TID251 - scrubbed on the way

ORPHANS = """
import asyncio, json, os
from roundhouse.core.inference import Chunk
from roundhouse.testing.asking import ask_chat
from roundhouse.testing.runtime import LIMITS, Runtime, children

async def main():
    runtime = Runtime(dict(os.environ))
    await runtime.backend.answer(ask_chat(), await runtime.deployment())
    print(json.dumps([child.pid for child in children()]), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
async def runtime() -> AsyncIterator[Runtime]:
    """The embedded runtime, with room for answers so long that a signal finds them under way."""
    started = Runtime(ENVIRON, limits=replace(LIMITS, context=4096))
    yield started
    await started.backend.close()


async def begin_to_answer(runtime: Runtime) -> AsyncGenerator[Chunk, None]:
    """Open a long stream and read its first word."""
    request = ask_chat(stream=True, max_tokens=4000, ignore_eos=True)
    chunks = runtime.backend.stream(request, await runtime.deployment())
    while not (await anext(chunks)).visible:
        pass
    return chunks


async def read_on(chunks: AsyncGenerator[Chunk, None]) -> None:
    """Read a stream to its end, whichever that is."""
    async for _ in chunks:
        pass


async def test_twenty_crashes_are_twenty_recoveries(runtime: Runtime) -> None:
    """Each costs its request a clear error that names the signal; the next request is served."""
    killed = []
    for number in range(20):
        how = (signal.SIGSEGV, signal.SIGKILL)[number % 2]
        chunks = await begin_to_answer(runtime)
        children()[0].send_signal(how)
        with pytest.raises(BackendError, match=how.name) as caught:
            await read_on(chunks)
        killed.append(caught.value.details["ending"])
        answer = await runtime.backend.answer(ask_chat(), await runtime.deployment())
        assert answer.usage is not None
    assert ["killed by SIGSEGV", "killed by SIGKILL"] * 10 == killed
    assert 21 == runtime.changes.count(("noise", True))


async def test_a_crash_fails_all_who_were_in_it(runtime: Runtime) -> None:
    """None is left hanging."""
    streams = [await begin_to_answer(runtime) for _ in range(4)]
    children()[0].send_signal(signal.SIGKILL)
    outcomes = await asyncio.gather(*map(read_on, streams), return_exceptions=True)
    assert 4 == sum(isinstance(outcome, BackendError) and "SIGKILL" in str(outcome) for outcome in outcomes)


async def test_a_crash_while_nobody_asks_is_noticed(runtime: Runtime) -> None:
    """The dead child is not called loaded, and the next request never meets it."""
    await runtime.backend.answer(ask_chat(), await runtime.deployment())
    children()[0].send_signal(signal.SIGSEGV)
    assert [("noise", True), ("noise", False)] == [await runtime.change(), await runtime.change()]
    assert (await runtime.backend.answer(ask_chat(), await runtime.deployment())).usage is not None


def serving_of(runtime: Runtime, deployment: Deployment) -> Serving:
    """A serving room with nothing but the runtime."""
    snapshot = Snapshot.build([deployment])
    backends = {"local": runtime.backend}
    return Serving(backends, lambda: snapshot, Standings(lambda: 0.5), lambda _: None, SystemClock())


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_who_waits_in_the_queue_is_served_after_all(how: signal.Signals, times: int) -> None:
    """A child that dies or stops under load costs those who were in it a clear error, and the queue nothing."""
    lost = served = 0
    for _ in range(times):
        runtime = Runtime(ENVIRON, limits=replace(LIMITS, context=4096, hang_s=2.0))
        serving = serving_of(runtime, await runtime.deployment())
        flows = [(await serving.stream(ask_chat(stream=True, max_tokens=4000, ignore_eos=True)))[1] for _ in range(4)]
        queued = [asyncio.ensure_future(serving.answer(ask_chat())) for _ in range(8)]
        await asyncio.sleep(0)
        children()[0].send_signal(how)
        outcomes = await asyncio.gather(*map(read_on, flows), return_exceptions=True)
        lost += sum(isinstance(outcome, BackendError) and "SIGKILL" in str(outcome) for outcome in outcomes)
        async with asyncio.timeout(60):
            served += sum(answer.usage is not None for _, answer in await asyncio.gather(*queued))
        assert 2 == runtime.changes.count(("noise", True))
        await runtime.backend.close()
    print(f"{how.name}: {lost} calls lost with their child, {served} queued requests served")
    assert (4 * times, 8 * times) == (lost, served)


def test_children_die_with_their_parent() -> None:
    """A server that was killed leaves no model in memory."""
    parent = subprocess.Popen([sys.executable, "-c", ORPHANS], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert parent.stdout is not None
    said = next(line for line in parent.stdout if line.startswith(b"["))
    orphans = [psutil.Process(pid) for pid in json.loads(said)]
    parent.kill()
    parent.wait()
    gone, alive = psutil.wait_procs(orphans, timeout=10)
    parent.stdout.close()
    assert (1, []) == (len(gone), alive)
