from dataclasses import replace

import pytest

from roundhouse.core.errors import LicenseError, LimitError, NoRouteError, NotFoundError, OfflineError
from roundhouse.core.inference import Capability, Deployment, Operation, Price, Profile, Residency
from roundhouse.health.standing import Standings
from roundhouse.routing.choose import choose, explain
from roundhouse.routing.policy import Policy
from roundhouse.routing.route import Route
from roundhouse.routing.snapshot import Snapshot
from roundhouse.testing.backend import a_deployment

CHAT = frozenset({Capability.CHAT})


@pytest.fixture
def standings() -> Standings:
    """Nothing has been tried."""
    return Standings(lambda: 0.5)


def a_profile(model: str = "m", *, tokens: int = 10, max_tokens: int | None = None) -> Profile:
    """A chat of this many tokens."""
    return Profile(Operation.CHAT, model, CHAT, tokens, max_tokens)


def ids(route: Route) -> list[str]:
    """Who is tried, in order."""
    return [candidate.id for candidate in route.candidates]


def chosen(
    *deployments: Deployment, standings: Standings, profile: Profile | None = None, now: float = 0.0
) -> list[str]:
    """Who is tried for a chat, in order."""
    return ids(choose(profile or a_profile(), Snapshot.build(deployments), standings, now))


def break_down(standings: Standings, deployment_id: str) -> None:
    """Open the breaker of one deployment."""
    for _ in range(5):
        permit = standings.of(deployment_id, deployment_id.partition("/")[0]).admit(0.0)
        assert permit
        permit.failed(0.0)


def live(standings: Standings, deployment: Deployment, trouble: str) -> None:
    """Let a deployment be quick once, and then have one kind of trouble."""
    permits = [standings.of(deployment.id, deployment.backend).admit(0.0) for _ in range(9)]
    for permit in permits[: 1 if trouble == "load" else 9]:
        assert permit
        permit.succeeded(0.0, 4_000.0 if trouble == "latency" else 1.0)
    if trouble == "errors":
        permit = standings[deployment.id].admit(0.0)
        assert permit
        permit.failed(0.0)


def test_the_cheaper_of_two_equals_comes_first(standings: Standings) -> None:
    """Price decides where nothing else does."""
    dear, cheap = a_deployment("a/m", price=Price(1e-5, 1e-5)), a_deployment("b/m", price=Price(1e-6, 1e-6))
    assert chosen(dear, cheap, standings=standings) == ["b/m", "a/m"]


def test_what_is_loaded_comes_before_what_is_cold(standings: Standings) -> None:
    """Loading takes longer than answering."""
    cold, loaded = a_deployment("a/m", residency=Residency.COLD), a_deployment("b/m", residency=Residency.LOADED)
    assert chosen(cold, loaded, standings=standings) == ["b/m", "a/m"]


def test_what_failed_lately_comes_last_and_recovers(standings: Standings) -> None:
    """Errors lower the score for a while, not for ever."""
    permit = standings.of("a/m", "a").admit(0.0)
    assert permit
    permit.failed(0.0)
    both = a_deployment("a/m"), a_deployment("b/m")
    assert chosen(*both, standings=standings) == ["b/m", "a/m"]
    assert chosen(*both, standings=standings, now=100_000.0) == ["a/m", "b/m"]


def test_as_many_candidates_as_attempts(standings: Standings) -> None:
    """Who would never be tried is not in the route."""
    snapshot = Snapshot.build([a_deployment(f"{name}/m") for name in "abcde"], None, Policy(max_attempts=2))
    assert ids(choose(a_profile(), snapshot, standings, 0.0)) == ["a/m", "b/m"]


def test_a_missing_capability_is_named(standings: Standings) -> None:
    """A deployment that cannot do what is needed is refused with what it lacks."""
    embedder = a_deployment("a/m", capabilities=frozenset({Capability.EMBEDDING}))
    route = explain(a_profile(), Snapshot.build([embedder, a_deployment("b/m")]), standings, 0.0)
    assert (ids(route), route.refused[0].reason) == (["b/m"], "cannot do chat")


def test_a_prompt_that_cannot_fit_is_refused(standings: Standings) -> None:
    """The reason names both numbers."""
    snapshot = Snapshot.build([a_deployment("a/m", context=100), a_deployment("b/m", context=1_000)])
    route = explain(a_profile(tokens=200), snapshot, standings, 0.0)
    assert (ids(route), route.refused[0].reason) == (["b/m"], "holds 100 tokens, and the prompt has about 200")


def test_what_might_not_fit_comes_after_what_fits(standings: Standings) -> None:
    """The estimate may be too high, and an allowed answer need not be used: tight is tried last, not refused."""
    small = a_deployment("a/m", context=1_000, residency=Residency.LOADED)
    large = a_deployment("b/m", context=8_000, residency=Residency.COLD)
    assert chosen(small, large, standings=standings, profile=a_profile(tokens=900, max_tokens=500)) == ["b/m", "a/m"]


def test_an_unknown_context_refuses_nobody(standings: Standings) -> None:
    """What the backend does not tell is for it to decide."""
    assert chosen(a_deployment("a/m"), standings=standings, profile=a_profile(tokens=10**9)) == ["a/m"]


def test_an_ordered_alias_comes_before_any_score(standings: Standings) -> None:
    """The owner's order is kept, however much better the second is."""
    first, second = a_deployment("a/slow", residency=Residency.COLD), a_deployment("b/fast", residency=Residency.LOADED)
    snapshot = Snapshot.build([first, second], {"mine": ["slow", "fast"]})
    assert ids(choose(a_profile("mine"), snapshot, standings, 0.0)) == ["a/slow", "b/fast"]


def test_an_open_breaker_is_a_reason(standings: Standings) -> None:
    """What kept failing is left alone, and the reason says for how long."""
    break_down(standings, "a/m")
    route = choose(a_profile(), Snapshot.build([a_deployment("a/m"), a_deployment("b/m")]), standings, 0.5)
    assert (ids(route), route.refused[0].reason) == (["b/m"], "kept failing, and is left alone for another 10 s")


def test_a_probe_under_way_is_a_reason(standings: Standings) -> None:
    """While one request finds out, the others go elsewhere."""
    break_down(standings, "a/m")
    standings["a/m"].admit(10.0)
    route = choose(a_profile(), Snapshot.build([a_deployment("a/m"), a_deployment("b/m")]), standings, 10.0)
    assert (ids(route), "found out" in route.refused[0].reason) == (["b/m"], True)


def test_the_last_one_is_never_left_out_for_its_breaker(standings: Standings) -> None:
    """When breakers are against all that fit, they are tried all the same."""
    break_down(standings, "a/m")
    route = choose(a_profile(), Snapshot.build([a_deployment("a/m")]), standings, 1.0)
    assert (ids(route), route.last_resort) == (["a/m"], True)


def test_all_rate_limited_is_a_rate_limit(standings: Standings) -> None:
    """The error says how long until the first of them is free."""
    standings.of("a/m", "a").cool(0.0, 30.0)
    standings.of("b/m", "b").cool(0.0, 20.0)
    with pytest.raises(LimitError, match="another 20 s") as caught:
        chosen(a_deployment("a/m"), a_deployment("b/m"), standings=standings)
    assert caught.value.retry_after_s == 20.0


def test_a_rate_limit_is_kept_even_as_the_last_resort(standings: Standings) -> None:
    """A cooldown was asked for by the other side; a breaker is only our guess."""
    standings.of("a/m", "a").cool(0.0, 30.0)
    break_down(standings, "b/m")
    assert chosen(a_deployment("a/m"), a_deployment("b/m"), standings=standings, now=1.0) == ["b/m"]


def test_a_model_that_nobody_serves_for_its_format_is_no_route(standings: Standings) -> None:
    """It is here, and that is said."""
    snapshot = Snapshot.build((), held={"tiny": "safetensors"})
    with pytest.raises(NoRouteError, match="held as safetensors"):
        choose(a_profile("tiny"), snapshot, standings, 0.0)


def test_an_unknown_model_is_not_found(standings: Standings) -> None:
    """The hint offers what may have been meant."""
    with pytest.raises(NotFoundError) as caught:
        chosen(a_deployment("a/llama3"), standings=standings, profile=a_profile("lama3"))
    assert caught.value.hint == "did you mean llama3?"


def test_no_route_lists_each_with_its_reason(standings: Standings) -> None:
    """Known, but nobody can: the details say why for each."""
    with pytest.raises(NoRouteError) as caught:
        chosen(a_deployment("a/m", context=10), standings=standings, profile=a_profile(tokens=100))
    reason = "holds 10 tokens, and the prompt has about 100"
    assert caught.value.details == {"candidates": [{"id": "a/m", "reason": reason}], "refused": 1}


def test_an_error_does_not_list_thousands(standings: Standings) -> None:
    """The message counts the rest, and an explanation has them all."""
    snapshot = Snapshot.build([a_deployment(f"a/{number}", context=1) for number in range(100)])
    with pytest.raises(NoRouteError, match="and 99 more") as caught:
        choose(a_profile("auto"), snapshot, standings, 0.0)
    candidates = caught.value.details["candidates"]
    assert isinstance(candidates, list)
    assert (len(candidates), len(explain(a_profile("auto"), snapshot, standings, 0.0).refused)) == (20, 100)


def test_auto_without_any_model_says_so(standings: Standings) -> None:
    """An empty house is no route, not an unknown model."""
    with pytest.raises(NoRouteError, match="nothing serves auto now"):
        chosen(standings=standings, profile=a_profile("auto"))


@pytest.mark.parametrize("many", [1, 30])
def test_auto_takes_a_spare_model_only_when_nothing_else_fits(standings: Standings, many: int) -> None:
    """Noise is better than nothing and worse than an error of the real thing."""
    real = [a_deployment(f"a/{number}", context=1_000) for number in range(many)]
    snapshot = Snapshot.build([*real, a_deployment("a/noise")], None, Policy(auto_last=frozenset({"noise"})))
    assert "a/noise" not in ids(choose(a_profile("auto"), snapshot, standings, 0.0))
    assert ids(choose(a_profile("auto", tokens=10_000), snapshot, standings, 0.0)) == ["a/noise"]


def test_a_broken_model_is_not_replaced_by_a_spare_one(standings: Standings) -> None:
    """A breaker does not mean that it would not fit."""
    break_down(standings, "a/m")
    deployments = [a_deployment("a/m"), a_deployment("a/noise")]
    snapshot = Snapshot.build(deployments, None, Policy(auto_last=frozenset({"noise"})))
    assert ids(choose(a_profile("auto"), snapshot, standings, 1.0)) == ["a/m"]


def test_among_many_one_that_proved_itself_is_found(standings: Standings) -> None:
    """What is quick comes before hundreds that were never tried."""
    permit = standings.of("a/77", "a").admit(0.0)
    assert permit
    permit.succeeded(0.0, 10.0)
    deployments = [a_deployment(f"a/{number}") for number in range(300)]
    assert chosen(*deployments, standings=standings, profile=a_profile("auto"))[0] == "a/77"


def test_among_many_the_tight_ones_fill_up_what_is_left(standings: Standings) -> None:
    """One that surely fits, then as many that may not as there are attempts, and no more."""
    tight = [a_deployment(f"a/{number:02}", context=100) for number in range(20)]
    roomy = a_deployment("z/roomy", context=1_000)
    found = chosen(*tight, roomy, standings=standings, profile=a_profile("auto", tokens=90, max_tokens=50))
    assert found == ["z/roomy", "a/00", "a/01"]


@pytest.mark.parametrize("trouble", ["errors", "latency", "load"])
def test_among_many_tried_the_best_is_found_wherever_it_stands(standings: Standings, trouble: str) -> None:
    """A dearer one wins over dozens of cheaper ones that are failing, slow or busy."""
    free, cheap = Price(0.0, 0.0), Price(2e-7, 2e-7)
    deployments = [a_deployment(f"a/{number}", price=free) for number in range(40)]
    for deployment in deployments:
        live(standings, deployment, trouble)
    live(standings, a_deployment("z/best"), "nothing")
    found = chosen(*deployments, a_deployment("z/best", price=cheap), standings=standings, profile=a_profile("auto"))
    assert found[0] == "z/best"


def test_an_explanation_adds_up(standings: Standings) -> None:
    """The points of the factors are the score."""
    route = explain(a_profile(), Snapshot.build([a_deployment("a/m", price=Price(1e-6, 1e-6))]), standings, 0.0)
    candidate = route.candidates[0]
    assert candidate.score == pytest.approx(sum(factor.points for factor in candidate.factors(route.weights)))


def test_an_explanation_raises_nothing(standings: Standings) -> None:
    """Why there is no route is part of the answer."""
    assert isinstance(explain(a_profile("x"), Snapshot.build([]), standings, 0.0).error, NotFoundError)


def test_what_its_license_bars_is_not_chosen(standings: Standings) -> None:
    """However good it is otherwise."""
    barred = replace(a_deployment("a/m", residency=Residency.LOADED), barred="comes under gemma, which nobody accepted")
    assert ["b/m"] == chosen(barred, a_deployment("b/m"), standings=standings)


@pytest.mark.parametrize("count", [1, 30])
def test_where_only_licenses_are_in_the_way_the_error_says_so(standings: Standings, count: int) -> None:
    """E_LICENSE with the command that helps, and the reason of each in the explanation."""
    barred = [replace(a_deployment(f"b{each}/m"), barred="comes under gemma") for each in range(count)]
    with pytest.raises(LicenseError, match="m comes under gemma") as caught:
        chosen(*barred, standings=standings)
    assert "licenses accept m" in (caught.value.hint or "")
    route = explain(a_profile(), Snapshot.build(barred), standings, 0.0)
    assert {"comes under gemma"} == {refusal.reason for refusal in route.refused}


@pytest.mark.parametrize("name", ["gpt-elsewhere", "cloud/anything"])
def test_a_model_elsewhere_is_offline_and_not_unknown(standings: Standings, name: str) -> None:
    """When nothing may leave this machine, with what is here and like it; a real typo stays unknown."""
    away = Policy(elsewhere=frozenset({"gpt-elsewhere", "cloud/"}))
    snapshot = Snapshot.build([a_deployment("local/gpt-here")], policy=away)
    with pytest.raises(OfflineError):
        choose(a_profile(name), snapshot, standings, 0.0)
    with pytest.raises(NotFoundError):
        choose(a_profile("gpt-hree"), snapshot, standings, 0.0)
