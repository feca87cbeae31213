import json
import subprocess
import sys

import pytest

from roundhouse.backends.openai_compatible import OpenAICompatible
from roundhouse.testing.asking import ask_chat


@pytest.mark.slow
async def test_it_runs_as_a_program() -> None:
    """Fault tests can kill it: it says where it serves on one line, and serves there."""
    command = [sys.executable, "-m", "roundhouse.testing.upstream", "--model", "shed"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        backend = OpenAICompatible("echo", json.loads(program.stdout.readline())["address"])
        deployments = await backend.deployments()
        answer = await backend.answer(ask_chat("hello there"), deployments[0])
        await backend.close()
        program.kill()
    assert ("shed", 2) == (deployments[0].model, answer.usage and answer.usage.completion)
