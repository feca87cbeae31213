import pytest

from roundhouse.backends.kinds.mlx.budget import RUNTIME, Share, Wanted, Weights, share_of
from roundhouse.backends.kinds.mlx.machine import Chip, Machine, Tier
from roundhouse.core.errors import CapacityError

GIB, KIB = 1 << 30, 1 << 10
#: Llama 3 8B: 128 KiB a token. 70B: 320 KiB. Mistral Large 123B: 352 KiB. All of four bits.
SMALL, MIDDLE, LARGE = (
    Weights(int(4.5 * GIB), 128 * KIB),
    Weights(37 * GIB, 320 * KIB),
    Weights(65 * GIB, 352 * KIB),
)


def on(memory: int, weights: Weights, tier: Tier = Tier.MAX, wanted: Wanted | None = None) -> Share:
    """The share of a model on a machine of so many GB."""
    machine = Machine(memory * GIB, Chip(3, tier))
    wanted = wanted or Wanted(usual_slots=machine.slots)
    return share_of("model", weights, machine.for_models, wanted, machine.working_set)


@pytest.mark.parametrize(
    ("memory", "weights", "context", "slots"),
    [
        (16, SMALL, 8192, 5),
        (24, SMALL, 8192, 10),
        (36, SMALL, 8192, 10),
        (48, SMALL, 8192, 10),
        (64, MIDDLE, 8192, 4),
        (96, MIDDLE, 8192, 10),
        (128, MIDDLE, 8192, 10),
        (96, LARGE, 8192, 2),
        (128, LARGE, 8192, 10),
        (512, LARGE, 8192, 10),
    ],
)
def test_who_fits_where(memory: int, weights: Weights, context: int, slots: int) -> None:
    """M3 Max by memory: fewer requests at a time first, and never more than the chip is good for."""
    share = on(memory, weights)
    assert (context, slots) == (share.context, share.slots)


@pytest.mark.parametrize(("memory", "weights"), [(8, SMALL), (36, MIDDLE), (48, MIDDLE), (48, LARGE), (64, LARGE)])
def test_who_does_not_fit_is_told_the_figures(memory: int, weights: Weights) -> None:
    """Weights, cache and what there is."""
    with pytest.raises(CapacityError, match=r"model needs .* GiB for its weights, .* tokens") as caught:
        on(memory, weights)
    details = caught.value.details
    assert (weights.size, True) == (details["weights"], str(details["needed"]) > "0")
    assert f"{Machine(memory * GIB, Chip(3, Tier.MAX)).for_models / GIB:.2f} GiB" in caught.value.message


def test_less_context_when_one_request_does_not_fit() -> None:
    """In steps of 2048 tokens, before it is refused."""
    share = share_of("model", SMALL, SMALL.size + RUNTIME + 700 * 1024 * KIB, Wanted())
    assert (4096, 1) == (share.context, share.slots)


def test_a_model_with_less_context_than_that_gets_its_own() -> None:
    """A tiny one is not refused for what it cannot do anyway."""
    share = share_of("model", Weights(1 << 20, 1024), 1 * GIB, Wanted(usual_context=512))
    assert (512, 4) == (share.context, share.slots)


def test_what_somebody_asked_for_is_not_cut() -> None:
    """It is refused instead, so that nobody wonders."""
    with pytest.raises(CapacityError, match="8 x 32768 tokens"):
        on(16, SMALL, wanted=Wanted(context=32_768, slots=8))


def test_the_cache_that_somebody_allows_bounds_the_slots() -> None:
    """What is in work counts as cache, for mlx_lm.server as well."""
    share = on(64, SMALL, wanted=Wanted(cache=3 * GIB, usual_slots=10))
    assert (3 * GIB, 3, 3) == (share.cache, share.slots, share.prompts)


def test_no_more_is_wired_than_it_takes() -> None:
    """A small model leaves the memory to others; a large one gets what macOS allows."""
    small, large = on(64, Weights(1 * GIB, 32 * KIB)), on(16, SMALL)
    assert (small.total, large.total) == (small.wired, large.wired)
    assert on(16, SMALL).wired == min(16 * GIB * 2 // 3, large.total)


def test_an_unknown_shape_is_taken_for_a_large_one() -> None:
    """So many tokens weigh as much as the weights."""
    assert 1 * GIB // 32_768 == Weights(1 * GIB).cache_per_token
