import pytest

from roundhouse.cli.commands.placing import memory_facts, served_by, warnings_of
from roundhouse.core.desks.placing import MemoryNeed
from roundhouse.core.views import DeploymentView, ModelDetail

GIB = 1 << 30
HERE = DeploymentView(
    "local/m", "local", "m", ("chat",), 8192, None, "loaded", local=True, slots=4, memory=9 * GIB, load_s=3.25
)
AWAY = DeploymentView("cloud/m", "cloud", "m", ("chat",), None, None, "unknown", local=False, warnings=("it is slow",))
MODEL = ModelDetail(name="m", local=True, served_by=(HERE, AWAY))


def test_a_deployment_tells_slots_memory_and_how_long_it_loads() -> None:
    """What nobody told is left open."""
    rows = [[str(getattr(cell, "text", cell)) for cell in row] for row in served_by(MODEL).rows]
    assert [["local/m", "loaded", "8,192", "4"], ["cloud/m", "unknown", "-", "-"]] == [row[:4] for row in rows]
    assert ["3.2 s", "-"] == [row[5] for row in rows]
    assert ["cloud/m: it is slow"] == list(warnings_of(MODEL))


@pytest.mark.parametrize(("from_header", "expected"), [(True, "9.0 GiB of 16"), (False, "about 9.0 GiB of 16")])
def test_memory_is_told_with_what_it_is_made_of(*, from_header: bool, expected: str) -> None:
    """And whether it is a guess."""
    need = MemoryNeed(9 * GIB, 4 * GIB, 4 * GIB, 4, 8192, GIB, 16 * GIB, from_header)
    facts = [str(getattr(value, "text", value)) for _, value in memory_facts(need)]
    assert expected in facts[0]
    assert "4 x 8,192 tokens" in facts[1]


def test_a_model_that_is_not_served_here_needs_nothing() -> None:
    """There is nothing to say."""
    assert [] == memory_facts(None)
