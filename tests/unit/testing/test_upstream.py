import asyncio
import json
import sys
from asyncio.subprocess import PIPE

import pytest

from roundhouse.backends.openai.compatible import OpenAICompatible
from roundhouse.testing.asking import ask_chat


@pytest.mark.slow
async def test_it_runs_as_a_program() -> None:
    """Fault tests can kill it: it says where it serves on one line, and serves there."""
    command = [sys.executable, "-m", "roundhouse.testing.upstream", "--model", "shed"]
    program = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
    assert program.stdout is not None
    backend = OpenAICompatible("echo", json.loads(await program.stdout.readline())["address"])
    deployments = await backend.deployments()
    answer = await backend.answer(ask_chat("hello there"), deployments[0])
    await backend.close()
    program.kill()
    await program.wait()
    assert ("shed", 2) == (deployments[0].model, answer.usage and answer.usage.completion)
