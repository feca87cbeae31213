import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse.backends.llamacpp.gpu import MARGIN, Card, Load, layers_on, nvidia_cards, parse_smi, vram_of

GIB, MIB = 1 << 30, 1 << 20
#: Llama 3.1 8B in four bits, four slots of 8192: 33 layers with the output, 4.6 GiB of weights, 4 GiB of cache.
LLAMA_8B = Load(layers=33, layer=(4710 + 4096) * MIB // 32, buffers=600 * MIB)
LOADS = st.builds(Load, st.integers(1, 200), st.integers(1, 4 * GIB), st.integers(0, 2 * GIB))
FREE = st.lists(st.integers(0, 200 * GIB), max_size=8)


@pytest.mark.parametrize(
    ("free", "expected"),
    [
        pytest.param([], 0, id="no card"),
        pytest.param([1 * GIB], 0, id="a card that is full"),
        pytest.param([4 * GIB], 8, id="4 GiB: 2472 MiB are left for layers of 275 MiB"),
        pytest.param([8 * GIB], 23, id="8 GiB"),
        pytest.param([12 * GIB], 33, id="12 GiB: all of it"),
        pytest.param([80 * GIB], 33, id="80 GiB: no more than all"),
        pytest.param([4 * GIB, 4 * GIB], 16, id="two cards, each with room to work"),
        pytest.param([8 * GIB, 1 * GIB], 23, id="a second one that is full"),
    ],
)
def test_as_many_layers_as_fit(free: list[int], expected: int) -> None:
    """A card keeps a gibibyte and room to work in; a layer is whole."""
    assert expected == layers_on(free, LLAMA_8B)


@pytest.mark.parametrize(("wanted", "expected"), [(0, 0), (7, 7), (999, 33)])
def test_who_wants_a_number_gets_it(wanted: int, expected: int) -> None:
    """Whatever is free."""
    load = Load(LLAMA_8B.layers, LLAMA_8B.layer, LLAMA_8B.buffers, wanted)
    assert expected == layers_on([1], load)


@given(FREE, LOADS)
def test_what_is_put_on_cards_fits_on_them(free: list[int], load: Load) -> None:
    """With the margin of each that is used."""
    layers = layers_on(free, load)
    assert 0 <= layers <= load.layers
    assert layers * load.layer <= sum(max(0, each - MARGIN - load.buffers) for each in free)


@given(FREE, LOADS, st.integers(0, 10 * GIB))
def test_more_room_never_takes_fewer_layers(free: list[int], load: Load, more: int) -> None:
    """On each card, or as one card more."""
    before = layers_on(free, load)
    assert before <= layers_on([each + more for each in free], load)
    assert before <= layers_on([*free, more], load)


@given(LOADS, st.integers(1, 200))
def test_layers_take_what_they_were_reckoned_with(load: Load, layers: int) -> None:
    """And nothing on a card means nothing on a card."""
    assert layers * load.layer + load.buffers == vram_of(layers, load)
    assert 0 == vram_of(0, load)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param(
            "NVIDIA GeForce RTX 4090, 24564, 23011\n",
            (Card("NVIDIA GeForce RTX 4090", 24_564 * MIB, 23_011 * MIB),),
            id="one",
        ),
        pytest.param(
            "NVIDIA H100 80GB HBM3, 81559, 81008\nNVIDIA H100 80GB HBM3, 81559, 2\n",
            (
                Card("NVIDIA H100 80GB HBM3", 81_559 * MIB, 81_008 * MIB),
                Card("NVIDIA H100 80GB HBM3", 81_559 * MIB, 2 * MIB),
            ),
            id="two",
        ),
        pytest.param("NVIDIA GB10, [N/A], [N/A]\n", (Card("NVIDIA GB10", None, None),), id="memory of the machine"),
        pytest.param(
            "Orin (nvgpu), [Not Supported], [Not Supported]", (Card("Orin (nvgpu)", None, None),), id="Jetson"
        ),
        pytest.param("No devices were found\n", (), id="none"),
        pytest.param(
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest"
            " NVIDIA driver is installed and running.\n",
            (),
            id="no driver",
        ),
        pytest.param("", (), id="nothing"),
        pytest.param("X, 99999999999999999999, -1\n", (Card("X", None, None),), id="nonsense"),
    ],
)
def test_cards_are_read_off_nvidia_smi(said: str, expected: tuple[Card, ...]) -> None:
    """As it was recorded, and as it complains."""
    assert expected == parse_smi(said)


def test_who_does_not_answer_in_time_has_no_cards(tmp_path: Path) -> None:
    """A driver that hangs must not hang us."""
    ask = (sys.executable, "-c", "import time; time.sleep(60)")
    assert () == nvidia_cards(ask, tmp_path / "none", within_s=0.2)


def test_a_driver_without_its_program_is_a_card(tmp_path: Path) -> None:
    """As in some containers; of its memory nothing is known."""
    (tmp_path / "version").write_text("NVRM version")
    assert (Card("NVIDIA", None, None),) == nvidia_cards((str(tmp_path / "gone"),), tmp_path / "version")
