from pathlib import Path

import pytest

from roundhouse.backends.llamacpp.gpu import layers_on
from roundhouse.backends.llamacpp.loadable import LoadableModel, RuntimeLimits
from roundhouse.backends.llamacpp.shape import Layer, Shape


@pytest.mark.parametrize(
    ("wanted", "trained", "expected"),
    [(0, 4096, 4096), (0, 131_072, 8192), (0, None, 4096), (512, 4096, 512), (9000, 4096, 4096), (9000, None, 9000)],
)
def test_the_context_is_what_is_wanted_and_possible(wanted: int, trained: int | None, expected: int) -> None:
    """The model's own up to 8192, or what was configured, never more than it was trained on."""
    assert expected == RuntimeLimits(memory=1, context=wanted).context_of(trained)


def test_every_slot_has_the_whole_context() -> None:
    """The estimate counts the context once per parallel request."""
    model = LoadableModel("m", Path("m.gguf"), 1000, 4096)
    limits = RuntimeLimits(memory=10_000, parallel=2)
    assert 1000 * 1.2 + 1000 * 2 * 4096 / 32_768 == limits.fit(model).need.total


def test_a_model_is_loaded_with_the_context_there_is_room_for() -> None:
    """It keeps in mind what was wanted."""
    model = LoadableModel("m", Path("m.gguf"), 32_768, 8192)
    fit = RuntimeLimits(memory=32_768 * 12 // 10 + 4 * 4096, parallel=4).fit(model)
    assert (4096, 8192) == (fit.context, fit.wanted)


def test_a_model_that_says_how_it_is_built_is_reckoned_exactly() -> None:
    """Also when nobody knows what it was trained on."""
    shape = Shape(((Layer(keys=512, values=512), 32),), 4096, 14_336, 32_000)
    fit = RuntimeLimits(memory=1 << 40, parallel=2).fit(LoadableModel("m", Path("m.gguf"), 1000, None, shape=shape))
    assert (4096, 2 * 4096 * 64 << 10, True) == (fit.context, fit.need.cache, fit.need.from_header)


def test_layers_are_reckoned_with_what_they_keep() -> None:
    """One more than there are, for what comes out at the end; without a shape only what was asked for counts."""
    shape = Shape(((Layer(keys=512, values=512), 32),), 4096, 14_336, 32_000)
    known = LoadableModel("m", Path("m.gguf"), 32 << 30, 4096, shape=shape)
    unknown = LoadableModel("m", Path("m.gguf"), 32 << 30, 4096)
    auto, seven = RuntimeLimits(memory=1 << 40), RuntimeLimits(memory=1 << 40, gpu_layers=7)
    load = auto.gpu_load(known, auto.fit(known).need)
    assert load is not None
    assert (33, (1 << 30) + 4 * 4096 * 2048, None) == (load.layers, load.layer, load.wanted)
    assert auto.gpu_load(unknown, auto.fit(unknown).need) is None
    asked = seven.gpu_load(unknown, seven.fit(unknown).need)
    assert asked is not None
    assert 7 == layers_on([1], asked)
