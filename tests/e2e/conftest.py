"""A clone nobody has touched, and the commands of README's first screen run in it."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from roundhouse.testing.hub import Hub
from roundhouse.testing.program import free_port

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Running:
    """A Roundhouse that `make up` or `roundhouse up` started."""

    url: str
    home: Path
    command: Path
    log: Path
    process: subprocess.Popen[bytes]
    env: dict[str, str]

    def cli(self, *arguments: str, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
        """Run the installed command against this home."""
        return subprocess.run(
            [self.command, *arguments], env=self.env, cwd=cwd, capture_output=True, text=True, timeout=120, check=False
        )


def wait_for(condition: Callable[[], object], seconds: float, failure: Callable[[], str]) -> None:
    """Poll *condition* until it holds; fail with the words of *failure*."""
    deadline = time.perf_counter() + seconds
    pause = 0.05
    while not condition():
        if time.perf_counter() > deadline:
            pytest.fail(failure())
        time.sleep(pause)  # another process: there is nothing to await


def clean_env(home: Path) -> dict[str, str]:
    """The environment of a new user: no settings of ours, no hub, nothing else found on this machine."""
    ours = ("ROUNDHOUSE_", "HF_", "VIRTUAL_ENV")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}  # noqa: TID251 - a new user's
    # Two tests on two cores: threads that spin for each other's turn would take minutes for what takes milliseconds.
    calm = {"ROUNDHOUSE_DISCOVERY__ENABLED": "false", "ROUNDHOUSE_RUNTIME__THREADS": "1"}
    return kept | calm | {"ROUNDHOUSE_HOME": str(home)}


def start(command: list[str], cwd: Path, home: Path, env: dict[str, str], *, seconds: float) -> Running:
    """Start *command* in the background and wait until its home says where it listens."""
    log = home.parent / f"{home.name}.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(command, cwd=cwd, env=env, stdout=sink, stderr=sink, start_new_session=True)
    note = home / "run" / "server.json"
    wait_for(lambda: note.exists() or process.poll() is not None, seconds, log.read_text)
    assert process.poll() is None, log.read_text()
    url = json.loads(note.read_text())["url"]
    return Running(url, home, cwd / ".venv" / "bin" / "roundhouse", log, process, env)


def stop(running: Running) -> None:
    """Stop the whole process group, as Ctrl-C in a terminal would."""
    if running.process.poll() is None:
        os.killpg(running.process.pid, signal.SIGTERM)
    running.process.wait(timeout=15)


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `git clone` would give: the files git knows (and new ones it does not ignore), nothing built."""
    target = tmp_path_factory.mktemp("clone") / "roundhouse"
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listing.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


@pytest.fixture(scope="session")
def make_up(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """`make up` of a clean clone, in the background."""
    home = tmp_path_factory.mktemp("make-up") / "home"
    running = start(["make", "up", f"ARGS=--port {free_port()}"], clone, home, clean_env(home), seconds=400)
    yield running
    stop(running)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """`roundhouse up` of this checkout, once for the tests of a module."""
    home = tmp_path_factory.mktemp("one") / "home"
    command = [str(ROOT / ".venv" / "bin" / "roundhouse"), "up", "--port", str(free_port())]
    running = start(command, ROOT, home, clean_env(home), seconds=60)
    yield running
    stop(running)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start `roundhouse up` of this checkout, as often as a test likes, on homes of its own."""
    started: list[Running] = []

    def start_up(home: Path | None = None, **settings: str) -> Running:
        home = home or tmp_path / "home"
        env = clean_env(home) | {f"ROUNDHOUSE_{key.upper()}": value for key, value in settings.items()}
        command = [str(ROOT / ".venv" / "bin" / "roundhouse"), "up", "--port", str(free_port())]
        started.append(start(command, ROOT, home, env, seconds=60))
        return started[-1]

    yield start_up
    for running in started:
        stop(running)


class HubThread:
    """A loopback hub with an event loop of its own, so that a test can block."""

    def __init__(self) -> None:
        self.hub = Hub()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="hub")

    def __enter__(self) -> Hub:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.hub.__aenter__(), self._loop).result()
        return self.hub

    def __exit__(self, *exc_info: object) -> None:
        asyncio.run_coroutine_threadsafe(self.hub.__aexit__(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A hub on this machine, with nothing on it."""
    with HubThread() as running:
        yield running
