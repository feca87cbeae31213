from collections.abc import Sequence
from dataclasses import replace

from roundhouse.app.figuring import Figuring
from roundhouse.core.errors import NetworkError
from roundhouse.core.events import Events
from roundhouse.core.figures import HourOf
from roundhouse.core.figures.baselines import Baseline, Pace
from roundhouse.core.inference import Deployment
from roundhouse.core.runtimes import Traits
from roundhouse.health.history import History
from roundhouse.health.pacing import Pacing
from roundhouse.testing.backend import a_deployment
from roundhouse.testing.clock import FakeClock


class InMemoryBaselines:
    """A store that keeps the last ones in memory, and refuses when it is told to."""

    def __init__(self) -> None:
        self.is_away = False
        self.kept: list[Baseline] = []

    async def put(self, baselines: Sequence[Baseline]) -> None:
        """Keep them. Raises NetworkError when it is away."""
        if self.is_away:
            message = "away"
            raise NetworkError(message)
        self.kept += baselines

    async def all(self) -> Sequence[Baseline]:
        """What is kept."""
        return self.kept


class Nowhere:
    """A store that keeps nothing."""

    async def put(self, part: str, hours: Sequence[HourOf]) -> None:
        """Forget."""

    async def since(self, hour: int, backend: str | None = None) -> Sequence[HourOf]:  # noqa: ARG002 - the port's
        """Nothing."""
        return ()

    async def prune(self, before: int) -> int:  # noqa: ARG002 - the port's
        """Nothing."""
        return 0


def loaded_in(seconds: float | None) -> Deployment:
    """A deployment whose last load took so long."""
    return replace(a_deployment("a/tiny"), traits=Traits(load_s=seconds))


def a_figuring(baselines: InMemoryBaselines | None = None) -> Figuring:
    """Nothing measured yet."""
    pacing = Pacing(lambda _id: None, Events(), FakeClock())
    return Figuring(History(), Nowhere(), pacing, baselines or InMemoryBaselines(), FakeClock())


async def test_baselines_that_could_not_be_written_are_written_later() -> None:
    """Once."""
    store = InMemoryBaselines()
    figuring = a_figuring(store)
    figuring.pacing.measured("a/x/y", 12, Pace(30.0, 100.0))
    store.is_away = True
    await figuring.flush()
    store.is_away = False
    await figuring.flush()
    await figuring.flush()
    assert [("a", "x/y", "test", {"0.0": Pace(30.0, 100.0)})] == [
        (each.backend, each.model, each.by, each.kinds) for each in store.kept
    ]


def test_a_load_counts_once_however_often_one_looks() -> None:
    """And again when it took another time."""
    figuring = a_figuring()
    for seconds in (None, 2.0, 2.0, 2.0, 3.0):
        figuring.look([loaded_in(seconds)])
    assert [2000.0, 3000.0] == figuring.calls("a/tiny").load_ms.percentiles(0.5, 1.0)
