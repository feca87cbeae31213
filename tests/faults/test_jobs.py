"""A job that was started is finished, however often its process is killed."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from roundhouse.testing.victim import Victim

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

VICTIM = Path(__file__).with_name("job_victim.py")


def test_a_job_survives_a_kill_at_every_step(
    database_url: str, tmp_path: Path, start_victim: Callable[..., Victim]
) -> None:
    """Each launch goes on where the killed one stopped, without being asked to, and the last one ends."""
    said = []
    for step in range(6):
        victim = start_victim(VICTIM, database_url, str(tmp_path / "journal"), str(step))
        for line in victim.lines():
            said.append(line)
            if line == f"step j1 {step}":
                victim.kill()
        assert (0 if step == 5 else -signal.SIGKILL) == victim.end()
    # Where a run was killed, the next one begins: each step is said once more, and none is left out.
    assert [f"step j1 {step}" for step in (0, 0, 1, 1, 2, 2, 3, 3, 4, 4)] + ["over"] == said
