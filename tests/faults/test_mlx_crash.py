"""A mlx_lm.server that dies or stops: it costs the requests that were in it, and nothing else."""

import asyncio
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from roundhouse.testing.asking import ask_chat
from roundhouse.testing.children import hit, lose, orphaned, read_on, serving_of
from roundhouse.testing.mlx import RULES, Managed, children

pytestmark = [pytest.mark.slow, pytest.mark.peer, pytest.mark.xdist_group("mlx")]

ENVIRON = dict(os.environ)  # noqa: TID251 - scrubbed on the way
#: An answer so long that a signal finds it under way.
LONG = {"max_tokens": 1500, "logit_bias": {"2": -100}}

#: What a child gets until it listens, here: several times what that takes.
GREET_S = 15.0

ORPHANS = """
import asyncio, json, os, sys
from pathlib import Path
from roundhouse.testing.asking import ask_chat
from roundhouse.testing.mlx import Managed, children

async def main():
    python, model, folder = map(Path, sys.argv[1:])
    managed = Managed(python, folder, dict(os.environ), model=model)
    await managed.backend.answer(ask_chat(), await managed.deployment())
    print(json.dumps([child.pid for child in children()]), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def a_child() -> list[psutil.Process]:
    """Wait until there is one."""
    async with asyncio.timeout(20):
        while not children():  # noqa: ASYNC110 - one step of the other task at a time
            await asyncio.sleep(0)
    return children()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_who_waits_in_the_queue_is_served_after_all(
    how: signal.Signals, times: int, mlx_python: Path, mlx_noise: Path, tmp_path: Path
) -> None:
    """A child that dies or stops under load costs those who were in it a clear error, and the queue nothing."""
    lost = served = 0
    rounds = min(times, 5)
    for _ in range(rounds):
        managed = Managed(mlx_python, tmp_path, ENVIRON, model=mlx_noise, rules=replace(RULES, hang_s=2.0), slots=2)
        serving = serving_of(managed.backend, [await managed.deployment()])
        cost = await lose(serving, lambda: hit(children()[0], how), ask_chat(stream=True, **LONG), 2)  # type: ignore[arg-type]
        lost, served = lost + cost[0], served + cost[1]
        assert 2 == managed.changes.count(("noise", True))
        await managed.backend.close()
    print(f"{how.name}: {lost} calls lost with their child, {served} queued requests served")
    assert (2 * rounds, 8 * rounds) == (lost, served)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_who_waits_for_a_load_that_is_hit_is_served_after_all(
    how: signal.Signals, mlx_python: Path, mlx_noise: Path, tmp_path: Path
) -> None:
    """A child that dies or stops before it has its model costs nobody anything but time."""
    managed = Managed(mlx_python, tmp_path, ENVIRON, model=mlx_noise, slots=2, greet_s=GREET_S)
    serving = serving_of(managed.backend, [await managed.deployment()])
    queued = [asyncio.ensure_future(serving.answer(ask_chat())) for _ in range(50)]
    (first,) = await a_child()
    hit(first, how)
    async with asyncio.timeout(120):
        served = sum(answer.usage is not None for _, answer in await asyncio.gather(*queued))
    (second,) = children()
    assert (50, [("noise", True)], False) == (served, managed.changes, first.is_running())
    assert first.pid != second.pid
    await managed.backend.close()


async def test_no_more_are_in_a_child_than_it_works_on(mlx_python: Path, mlx_noise: Path, tmp_path: Path) -> None:
    """The others wait where its end does not touch them."""
    managed = Managed(mlx_python, tmp_path, ENVIRON, model=mlx_noise, slots=2)
    serving = serving_of(managed.backend, [await managed.deployment()])
    flows = [(await serving.stream(ask_chat(stream=True, **LONG)))[1] for _ in range(2)]  # type: ignore[arg-type]
    queued = [asyncio.ensure_future(serving.answer(ask_chat())) for _ in range(8)]
    await asyncio.sleep(0)
    ours = [each for each in children()[0].net_connections() if each.status == psutil.CONN_ESTABLISHED]
    assert (2, 0) == (len(ours), sum(each.done() for each in queued))
    await asyncio.gather(*map(read_on, flows))
    assert 8 == sum(answer.usage is not None for _, answer in await asyncio.gather(*queued))
    await managed.backend.close()


async def test_a_crash_while_nobody_asks_is_noticed(mlx_python: Path, mlx_noise: Path, tmp_path: Path) -> None:
    """The dead child is not called loaded, and the next request never meets it."""
    managed = Managed(mlx_python, tmp_path, ENVIRON, model=mlx_noise)
    await managed.backend.answer(ask_chat(), await managed.deployment())
    children()[0].send_signal(signal.SIGSEGV)
    assert [("noise", True), ("noise", False)] == [await managed.change(), await managed.change()]
    assert (await managed.backend.answer(ask_chat(), await managed.deployment())).usage is not None
    await managed.backend.close()


def test_children_die_with_their_parent(mlx_python: Path, mlx_noise: Path, tmp_path: Path) -> None:
    """A server that was killed leaves no model in memory."""
    assert (1, 0) == orphaned([sys.executable, "-c", ORPHANS, str(mlx_python), str(mlx_noise), str(tmp_path)])
