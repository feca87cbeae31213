"""The house from above."""

import math
from dataclasses import replace

import pytest

from roundhouse.testing.management_service import a_model
from roundhouse.web.plan import draw, standing_of


@pytest.mark.parametrize(("models", "stalls", "unseen"), [(0, 9, 0), (9, 9, 0), (10, 10, 0), (17, 17, 0), (40, 17, 23)])
def test_there_are_always_stalls(models: int, stalls: int, unseen: int) -> None:
    """An empty house has empty stalls; a large one draws what fits and counts the rest."""
    plan = draw([a_model(f"m{number}") for number in range(models)], None)
    assert (len(plan.stalls), plan.unseen) == (stalls, unseen)


def test_what_stands_where() -> None:
    """A stall says in words what the drawing says in lines."""
    plan = draw([a_model("a", loaded=True), a_model("b"), a_model("c", local=False)], None)
    assert [stall.standing for stall in plan.stalls[:4]] == ["loaded", "disk", "remote", "empty"]
    assert plan.stalls[0].title == "a: in memory"


def test_everything_is_inside_the_drawing() -> None:
    """No point lies outside the view box."""
    plan = draw([a_model(f"m{number}") for number in range(17)], "m3")
    points = [point for stall in plan.stalls for point in (stall.label, stall.corner, stall.rim, stall.tail)]
    for point in [*points, *plan.back, *plan.last_wall, *plan.bridge]:
        assert 0 < point.x < 340
        assert 0 < point.y < 226


def test_an_idle_table_points_to_the_yard() -> None:
    """Until somebody was served the bridge lies towards the way in."""
    (end, start), length = draw([], None).bridge, 60.0
    assert (end.x, math.dist((end.x, end.y), (start.x, start.y))) == (170.0, length)


def test_what_another_runtime_here_has_on_its_disk_is_not_remote() -> None:
    """Only what leaves this machine is."""
    here = replace(a_model("c", local=False), leaves_machine=False)
    assert ["disk", "remote"] == [standing_of(here), standing_of(replace(here, leaves_machine=True))]
