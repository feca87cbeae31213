"""Deployments, requests and what they have been through."""

from dataclasses import dataclass, replace

from hypothesis import strategies as st

from roundhouse.core.inference import Capability, Deployment, Operation, Price, Profile, Residency
from roundhouse.health.standing import Standings
from roundhouse.routing.policy import Policy, Weights

NOW = 100.0
_CAPABILITIES = [Capability.CHAT, Capability.TOOLS, Capability.EMBEDDING]

#: Steps of a thousandth of a USD per million tokens: finer than any price list.
_usd_per_token = st.integers(0, 100_000).map(lambda steps: steps * 1e-9)
prices = st.none() | st.builds(Price, _usd_per_token, _usd_per_token)


@st.composite
def _price_pairs(draw: st.DrawFn) -> tuple[Price, Price]:
    """A price, and one that is dearer in one part and not cheaper in the other."""
    cheap = draw(st.builds(Price, _usd_per_token, _usd_per_token))
    more = draw(st.sampled_from([(0.0, 1e-9), (1e-9, 0.0), (1e-5, 3e-5)]))
    return cheap, Price(cheap.input_per_token + more[0], cheap.output_per_token + more[1])


price_pairs = _price_pairs()
capabilities = st.frozensets(st.sampled_from(_CAPABILITIES), min_size=1)
contexts = st.none() | st.integers(1, 10_000)
weights = st.builds(Weights, *[st.floats(0.0, 10.0)] * 5)
policies = st.builds(Policy, weights, st.integers(1, 5), st.frozensets(st.sampled_from("mn")))


#: What a deployment is like, but for its name.
kinds = st.builds(
    Deployment,
    st.just("backend"),
    st.just("model"),
    st.just("upstream"),
    capabilities,
    contexts,
    prices,
    st.sampled_from(Residency),
)


@st.composite
def deployments(draw: st.DrawFn) -> list[Deployment]:
    """A few deployments, or many, of a few kinds: many of different kinds would take too long to draw."""
    some = draw(st.lists(kinds, min_size=1, max_size=5))
    size = draw(st.sampled_from([0, 1, 3, 20, 40]))
    drawn = draw(st.lists(st.sampled_from(some), min_size=size, max_size=size))
    return [replace(kind, backend=f"b{number // 4}", model="mnop"[number % 4]) for number, kind in enumerate(drawn)]


profiles = st.builds(
    Profile,
    st.just(Operation.CHAT),
    st.sampled_from(["auto", "auto", "m", "n", "mine", "b0/m"]),
    st.frozensets(st.sampled_from(_CAPABILITIES), max_size=2),
    st.integers(0, 12_000),
    st.none() | st.integers(1, 5_000),
)


@dataclass(frozen=True)
class Past:
    """What a deployment has been through until NOW."""

    latency_ms: float
    failures: int
    in_flight: int
    cooling_s: float


pasts = st.builds(
    Past,
    st.floats(0.0, 100_000.0),
    st.integers(0, 7),
    st.integers(0, 20),
    st.sampled_from([0.0, 0.0, 0.0, 5.0]),
)


@st.composite
def histories(draw: st.DrawFn, of: list[Deployment]) -> Standings:
    """How these deployments stand: none, a few or all of them have been tried."""
    standings = Standings(lambda: 0.5)
    lived = draw(st.lists(pasts, min_size=1, max_size=3))
    tried = draw(st.sampled_from([[], of[:2], of[2:5], of[1:], of]))
    for deployment, past in zip(tried, draw(st.lists(st.sampled_from(lived), min_size=40, max_size=40)), strict=False):
        live(standings, deployment, past)
    return standings


def live(standings: Standings, deployment: Deployment, past: Past) -> None:
    """Let one deployment go through its past."""
    standing = standings.of(deployment.id, deployment.backend)
    calls = [standing.admit(NOW, despite_breaker=True) for _ in range(1 + past.failures + past.in_flight)]
    permits = [permit for permit in calls if permit]
    permits[0].succeeded(NOW, past.latency_ms)
    for permit in permits[1 : 1 + past.failures]:
        permit.failed(NOW)
    standing.cool(NOW, past.cooling_s)
