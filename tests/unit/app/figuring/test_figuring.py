from collections.abc import Sequence
from dataclasses import replace

from roundhouse.app.figuring import Figuring
from roundhouse.core.figures import HourOf
from roundhouse.core.inference import Deployment
from roundhouse.core.runtimes import Traits
from roundhouse.health.history import History
from roundhouse.testing.backend import a_deployment
from roundhouse.testing.clock import FakeClock


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


def test_a_load_counts_once_however_often_one_looks() -> None:
    """And again when it took another time."""
    figuring = Figuring(History(), Nowhere(), FakeClock())
    for seconds in (None, 2.0, 2.0, 2.0, 3.0):
        figuring.look([loaded_in(seconds)])
    assert [2000.0, 3000.0] == figuring.calls("a/tiny").load_ms.percentiles(0.5, 1.0)
