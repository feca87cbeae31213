import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from roundhouse.backends.children import child as children
from roundhouse.backends.children.child import Child, Program, scrubbed
from roundhouse.core.errors import BackendError


def test_secrets_stay_here() -> None:
    """The child gets paths and devices; keys, tokens and addresses with passwords it does not."""
    kept = {"PATH": "/bin", "HOME": "/root", "LC_ALL": "C", "CUDA_VISIBLE_DEVICES": "0", "GGML_METAL": "1"}
    lost = {
        "HF_TOKEN": "x",
        "OPENAI_API_KEY": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "DATABASE_URL": "x",
        "LLAMA_ARG_X": "1",
    }
    assert kept == scrubbed({**kept, **lost})


def test_names_count_in_any_case() -> None:
    """Windows writes them as it likes."""
    assert {"SystemRoot": "C:\\Windows"} == scrubbed({"SystemRoot": "C:\\Windows", "Token": "x"})


def a_program(code: str, **command: str) -> Program:
    """A runtime that runs *code* in a Python."""
    python = command.get("python", sys.executable)
    return Program("rt", (python, "-c", code), "m", "/nowhere", {"PATH": os.defpath}, b"{}")


#: Starts something that holds its standard error and a pipe of ours, says that one's number, and waits for its own end.
PARENT = """
import json, subprocess, sys
pipe = open({pipe!r}, "w").fileno()
held = [sys.executable, "-c", "import signal; signal.pause()"]
held = subprocess.Popen(held, start_new_session={away}, pass_fds=[pipe])
print(json.dumps({{"address": f"http://{{held.pid}}"}}), flush=True)
sys.stdin.read()
"""


class Pipe:
    """A pipe that ends when all who hold it do, also where nobody buries the dead."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "held"
        os.mkfifo(self.path)

    def parent(self, *, away: bool = False) -> Program:
        """Who starts somebody that holds it as well, in its own group or *away* from it."""
        return a_program(PARENT.format(pipe=str(self.path), away=away))

    async def ended(self) -> None:
        """Until both are gone, which may have to begin first."""
        async with asyncio.timeout(30):
            assert "" == await asyncio.to_thread(self.path.read_text)


@pytest.fixture
def pipe(tmp_path: Path) -> Pipe:
    """One that nobody holds yet."""
    return Pipe(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("away", [False, True], ids=["in its group", "in a session of its own"])
def test_a_child_is_gone_although_what_it_started_holds_its_pipe(
    loop: Callable[[], asyncio.AbstractEventLoop], pipe: Pipe, *, away: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And that goes with it, unless it wanted to be on its own."""
    monkeypatch.setattr(children, "_LAST_WORDS_S", 0.05)

    async def crash() -> None:
        ended = asyncio.create_task(pipe.ended())
        child = await Child.begin(pipe.parent(away=away), 30)
        os.kill(child.pid, signal.SIGKILL)
        try:
            async with asyncio.timeout(20):
                await child.exited
                await child.stop()
        finally:
            if away:
                os.kill(int(child.address.removeprefix("http://")), signal.SIGKILL)
        assert (False, "killed by SIGKILL") == (child.is_alive, child.ending)
        await ended

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(crash())


@pytest.mark.slow
async def test_what_a_child_started_is_killed_with_it(pipe: Pipe) -> None:
    """Weights may lie in its memory, too."""
    ended = asyncio.create_task(pipe.ended())
    child = await Child.begin(pipe.parent(), 30)
    child.kill()
    async with asyncio.timeout(30):
        await child.exited
    await ended


@pytest.mark.parametrize("code", ["pass", "\0"])
async def test_a_program_that_cannot_be_started_is_a_failure_of_the_backend(code: str) -> None:
    """Its interpreter was removed, or the system has no room for it."""
    with pytest.raises(BackendError, match="could not be started"):
        await Child.begin(a_program(code, python="/nonexistent/python"), 30)
