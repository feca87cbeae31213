"""What the fault tests share: how often, and programs that can be killed."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from roundhouse.testing.victim import Victim


@pytest.fixture
def start_victim() -> Iterator[Callable[..., Victim]]:
    """Start a script in a process of its own; none is left running, whatever happens."""
    started: list[Victim] = []

    def start(script: Path, *arguments: str) -> Victim:
        started.append(Victim(script, *arguments))
        return started[-1]

    yield start
    for victim in started:
        victim.kill()
        victim.end()


@pytest.fixture(scope="session")
def times() -> int:
    """How often a fault is tried: a sample in the everyday suite, all of them in `make faults`."""
    return 20 if os.environ.get("ROUNDHOUSE_FAULTS") == "full" else 3  # noqa: TID251 - steers the tests
