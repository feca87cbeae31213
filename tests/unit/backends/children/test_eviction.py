from hypothesis import given
from hypothesis import strategies as st

from roundhouse.backends.children.eviction import Tenant, make_room

TENANTS = st.dictionaries(st.text(max_size=3), st.builds(Tenant, st.integers(1, 50), st.integers(0, 2)), max_size=6)


def test_nobody_goes_when_there_is_room() -> None:
    """An idle model is not unloaded for nothing."""
    assert [] == make_room(40, 100, {"a": Tenant(60)})


def test_the_least_recently_used_goes_first() -> None:
    """And only as many as it takes."""
    assert ["a"] == make_room(40, 100, {"a": Tenant(50), "b": Tenant(50)})


def test_one_that_serves_is_passed_over() -> None:
    """Somebody is waiting for its answer."""
    assert ["b"] == make_room(40, 100, {"a": Tenant(50, serving=1), "b": Tenant(50)})


def test_there_is_no_room_while_all_serve() -> None:
    """Then it has to wait."""
    assert make_room(40, 100, {"a": Tenant(70, serving=1)}) is None


@given(st.integers(1, 100), st.integers(50, 150), TENANTS)
def test_room_is_made_or_impossible(need: int, budget: int, tenants: dict[str, Tenant]) -> None:
    """Those who leave serve nobody, what stays fits, each was needed; ``None`` only if all the idle were too few."""
    leaving = make_room(need, budget, tenants)
    gone = [name for name in tenants if tenants[name].serving == 0] if leaving is None else leaving
    left = need + sum(tenant.need for name, tenant in tenants.items() if name not in gone)
    assert not any(tenants[name].serving for name in gone)
    assert (left <= budget) == (leaving is not None)
    assert not leaving or left + tenants[leaving[-1]].need > budget
