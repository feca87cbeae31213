"""The arithmetic on MLX's memory: what it promises holds for any machine and any model."""

from hypothesis import given
from hypothesis import strategies as st

from roundhouse.backends.kinds.mlx.budget import LEAST_CONTEXT, RUNTIME, Share, Wanted, Weights, share_of
from roundhouse.backends.kinds.mlx.machine import Chip, Machine, Tier, machine_of
from roundhouse.core.errors import CapacityError

GIB = 1 << 30

machines = st.builds(
    Machine,
    memory=st.sampled_from([8, 16, 18, 24, 32, 36, 48, 64, 96, 128, 192, 256, 512]).map(lambda each: each * GIB),
    chip=st.builds(Chip, st.integers(1, 4), st.sampled_from(Tier)) | st.none(),
    wired=st.just(0) | st.integers(1, 1 << 40),
)
models = st.builds(Weights, size=st.integers(1, 600 * GIB), per_token=st.integers(0, 4 << 20))
wishes = st.builds(
    Wanted,
    context=st.just(0) | st.integers(1, 1 << 20),
    usual_context=st.integers(1, 1 << 17),
    slots=st.just(0) | st.integers(1, 64),
    usual_slots=st.integers(1, 18),
    cache=st.just(0) | st.integers(1, 600 * GIB),
)


def tried(machine: Machine, weights: Weights, wanted: Wanted) -> Share | None:
    """Its share; ``None`` when it is refused."""
    try:
        return share_of("model", weights, machine.for_models, wanted, machine.working_set)
    except CapacityError:
        return None


@given(machines, models, wishes)
def test_nobody_gets_more_than_there_is(machine: Machine, weights: Weights, wanted: Wanted) -> None:
    """And what is promised to requests is inside it."""
    share = tried(machine, weights, wanted)
    if share is not None:
        assert share.total <= machine.for_models <= machine.memory
        assert share.context * share.slots * weights.cache_per_token <= share.cache
        assert (share.weights, True) == (weights.size, share.context >= 1 <= share.slots)
        assert wanted.context in {0, share.context}
        assert wanted.slots in {0, share.slots}


@given(machines, models, wishes)
def test_only_so_much_is_wired(machine: Machine, weights: Weights, wanted: Wanted) -> None:
    """Never more than macOS lets the GPU have, and nothing is said where there is no such limit."""
    share = tried(machine, weights, wanted)
    if share is not None:
        assert (share.wired is None) == (machine.working_set is None)
        assert (share.wired or 0) <= (machine.working_set or 0)


@given(machines, models, wishes, st.integers(0, 64 * GIB))
def test_more_memory_never_refuses_who_fitted(machine: Machine, weights: Weights, wanted: Wanted, more: int) -> None:
    """Nor does it take slots away from the same context."""
    before = tried(machine, weights, wanted)
    after = share_of("model", weights, machine.for_models + more, wanted) if before is not None else None
    if before is not None and after is not None:
        assert after.context >= before.context
        assert after.context > before.context or after.slots >= before.slots


@given(machines, models, wishes)
def test_a_refusal_is_true(machine: Machine, weights: Weights, wanted: Wanted) -> None:
    """What is refused would not fit, even at its smallest."""
    if tried(machine, weights, wanted) is None:
        context = wanted.context or min(LEAST_CONTEXT, wanted.usual_context)
        least = context * (wanted.slots or 1) * weights.cache_per_token
        left = machine.for_models - weights.size - RUNTIME
        assert least > min(left, wanted.cache or left)


@given(st.text())
def test_whatever_sysctl_says_is_read(said: str) -> None:
    """Nothing that it could say raises."""
    machine = machine_of(said)
    assert machine is None or machine.memory > 0
