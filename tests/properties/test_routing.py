import random
from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st
from tests.strategies.routing import NOW, Past, deployments, histories, live, pasts, policies, price_pairs, profiles

from roundhouse.core.errors import LimitError, NoRouteError, NotFoundError
from roundhouse.core.inference import Deployment, Price, Profile
from roundhouse.health.standing import Standings
from roundhouse.routing.choose import choose, explain
from roundhouse.routing.policy import Policy
from roundhouse.routing.route import Route
from roundhouse.routing.scoring import lively_values
from roundhouse.routing.snapshot import Snapshot
from roundhouse.testing.backend import a_deployment

ALIASES = {"mine": ["n", "b0/m", "o"]}


@st.composite
def situations(draw: st.DrawFn) -> tuple[Profile, list[Deployment], Policy, Standings]:
    """A request, all deployments, a policy, and how each of them stands."""
    found = draw(deployments())
    return draw(profiles), found, draw(policies), draw(histories(found))


def taken(profile: Profile, snapshot: Snapshot, standings: Standings) -> Route:
    """The route, which is empty when there is none."""
    try:
        return choose(profile, snapshot, standings, NOW)
    except (NoRouteError, NotFoundError, LimitError) as error:
        return Route(error=error)


def ids(route: Route) -> list[str]:
    """Who is tried, in order."""
    return [candidate.id for candidate in route.candidates]


@given(situations(), st.randoms(use_true_random=False))
def test_the_order_of_deployments_never_changes_the_choice(
    situation: tuple[Profile, list[Deployment], Policy, Standings], shuffler: random.Random
) -> None:
    """Whoever was found first at start has no advantage."""
    profile, found, policy, standings = situation
    shuffled = found.copy()
    shuffler.shuffle(shuffled)
    one, other = (Snapshot.build(each, ALIASES, policy) for each in (found, shuffled))
    assert ids(taken(profile, one, standings)) == ids(taken(profile, other, standings))


@given(situations())
def test_the_same_input_gives_the_same_route(situation: tuple[Profile, list[Deployment], Policy, Standings]) -> None:
    """Choosing changes nothing and remembers nothing."""
    profile, found, policy, standings = situation
    snapshot = Snapshot.build(found, ALIASES, policy)
    assert (
        explain(profile, snapshot, standings, NOW).candidates == explain(profile, snapshot, standings, NOW).candidates
    )
    assert ids(taken(profile, snapshot, standings)) == ids(taken(profile, snapshot, standings))


@given(situations())
def test_no_candidate_breaks_a_constraint(situation: tuple[Profile, list[Deployment], Policy, Standings]) -> None:
    """Capabilities, context, rate limits; and breakers, unless there is nobody else."""
    profile, found, policy, standings = situation
    route = taken(profile, Snapshot.build(found, ALIASES, policy), standings)
    for candidate in route.candidates:
        deployment, standing = candidate.deployment, standings.get(candidate.id)
        assert profile.needs <= deployment.capabilities
        assert deployment.context is None or deployment.context >= profile.prompt_tokens * 0.75
        assert standing is None or not standing.cooling_s(NOW)
        assert standing is None or route.last_resort or not standing.open_s(NOW)


@given(situations())
def test_choosing_finds_the_head_of_the_explanation(
    situation: tuple[Profile, list[Deployment], Policy, Standings],
) -> None:
    """Looking at a few gives what looking at all of them gives."""
    profile, found, policy, standings = situation
    snapshot = Snapshot.build(found, ALIASES, policy)
    explained, route = explain(profile, snapshot, standings, NOW), taken(profile, snapshot, standings)
    assert explained.candidates[: policy.max_attempts] == route.candidates
    assert (type(explained.error), explained.last_resort) == (type(route.error), route.last_resort)


@given(situations())
def test_everybody_is_a_candidate_or_has_a_reason(
    situation: tuple[Profile, list[Deployment], Policy, Standings],
) -> None:
    """Nobody is left out in silence, and nobody is both."""
    profile, found, policy, standings = situation
    profile = replace(profile, model="auto")
    route = explain(profile, Snapshot.build(found, ALIASES, policy), standings, NOW)
    named = ids(route) + [refusal.id for refusal in route.refused]
    assert sorted(named) == sorted(deployment.id for deployment in found)


@given(situations(), price_pairs, st.data())
def test_the_cheaper_of_two_equals_never_loses(
    situation: tuple[Profile, list[Deployment], Policy, Standings], pair: tuple[Price, Price], data: st.DataObject
) -> None:
    """Whatever the weights and whoever else there is: equal but for the price, the cheaper one comes first."""
    profile, found, policy, standings = situation
    names = data.draw(st.permutations(["twin-a", "twin-b"]))
    template = data.draw(st.sampled_from([*found, a_deployment("x/q")]))
    cheap, dear = (replace(template, backend=name, price=price) for name, price in zip(names, pair, strict=True))
    easy = replace(profile, model="auto", needs=frozenset(), prompt_tokens=0)
    order = ids(explain(easy, Snapshot.build([*found, dear, cheap], ALIASES, policy), standings, NOW))
    assume(cheap.id in order)
    assert order.index(cheap.id) < order.index(dear.id)


@given(situations())
def test_every_score_is_between_zero_and_one(situation: tuple[Profile, list[Deployment], Policy, Standings]) -> None:
    """So are the values that it is made of."""
    profile, found, policy, standings = situation
    for candidate in explain(profile, Snapshot.build(found, ALIASES, policy), standings, NOW).candidates:
        assert all(0.0 <= value <= 1.0 for value in candidate.values)
        assert 0.0 <= candidate.score <= 1.0 + 1e-9


@given(pasts, st.sampled_from(["failed", "refused", "unreachable"]), st.floats(0.0, 30.0))
def test_whoever_fails_at_once_never_gains_by_it(past: Past, how: str, later_s: float) -> None:
    """No value that a choice looks at is better after the failure than if the call had never been made."""
    deployment, now = a_deployment("b/m"), NOW + later_s
    before, after = Standings(lambda: 0.5), Standings(lambda: 0.5)
    for standings in (before, after):
        live(standings, deployment, past)
    permit = after["b/m"].admit(NOW, despite_breaker=True)
    assert permit
    if how == "refused":
        permit.refused(NOW)
    else:
        permit.failed(NOW, unreachable=how == "unreachable")
    values = zip(lively_values(before["b/m"], now), lively_values(after["b/m"], now), strict=True)
    assert all(worse <= better for better, worse in values)
