"""Native code that dies: it costs the requests that were in it, and nothing else."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace

import pytest

from roundhouse.core.errors import BackendError
from roundhouse.core.inference import Chunk
from roundhouse.testing.asking import ask_chat
from roundhouse.testing.children import lose, orphaned, read_on, serving_of
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


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_who_waits_in_the_queue_is_served_after_all(how: signal.Signals, times: int) -> None:
    """A child that dies or stops under load costs those who were in it a clear error, and the queue nothing."""
    lost = served = 0
    for _ in range(times):
        runtime = Runtime(ENVIRON, limits=replace(LIMITS, context=4096, hang_s=2.0))
        long = ask_chat(stream=True, max_tokens=4000, ignore_eos=True)
        serving = serving_of(runtime.backend, [await runtime.deployment()])
        cost = await lose(serving, lambda: children()[0].send_signal(how), long, 4)
        lost, served = lost + cost[0], served + cost[1]
        assert 2 == runtime.changes.count(("noise", True))
        await runtime.backend.close()
    print(f"{how.name}: {lost} calls lost with their child, {served} queued requests served")
    assert (4 * times, 8 * times) == (lost, served)


def test_children_die_with_their_parent() -> None:
    """A server that was killed leaves no model in memory."""
    assert (1, 0) == orphaned([sys.executable, "-c", ORPHANS])
