"""SIGTERM lets short answers finish, ends long ones with a word, and the process is gone in less than five seconds."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from tests.e2e.conftest import Running

pytestmark = pytest.mark.slow


@pytest.fixture
def slow_upstream() -> Iterator[str]:
    """A backend that takes half a second for each word."""
    command = [sys.executable, "-m", "roundhouse.testing.upstream", "--model", "slow", "--pace", "0.5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["address"]
        process.kill()


def test_a_long_stream_is_ended_with_an_error(slow_upstream: str, up: Callable[..., Running], tmp_path: Path) -> None:
    """The client learns that the answer is not whole; nobody waits for it longer than the drain."""
    config = tmp_path / "roundhouse.toml"
    config.write_text(f'[backends.slow]\nurl = "{slow_upstream}"\n')
    running = up(config=str(config))
    body = {"model": "slow", "stream": True, "messages": [{"role": "user", "content": "word " * 100}]}
    lines: list[str] = []
    with httpx2.stream("POST", f"{running.url}/v1/chat/completions", json=body, timeout=30) as answer:
        arriving = answer.iter_lines()
        lines.append(next(arriving))
        told = time.perf_counter()
        stopper = threading.Thread(target=os.killpg, args=(running.process.pid, signal.SIGTERM))
        stopper.start()
        lines += arriving
    assert running.process.wait(timeout=5 - (time.perf_counter() - told)) == 0
    last = [line for line in lines if line.startswith("data: ")][-1]
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "E_CAPACITY"
    stopper.join()
