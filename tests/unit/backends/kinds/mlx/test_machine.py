import pytest

from roundhouse.backends.kinds.mlx.machine import Chip, Machine, Tier, chip_of, machine_of, this_machine

GIB = 1 << 30

M3_MAX = """machdep.cpu.brand_string: Apple M3 Max
hw.memsize: 137438953472
iogpu.wired_limit_mb: 0
"""
M4_RAISED = """machdep.cpu.brand_string: Apple M4
hw.memsize: 17179869184
iogpu.wired_limit_mb: 14000
"""
#: Before macOS 14 there is no such limit to ask for.
M1_PRO_OLD = """machdep.cpu.brand_string: Apple M1 Pro
hw.memsize: 34359738368
"""
INTEL = """machdep.cpu.brand_string: Intel(R) Core(TM) i7-8850H CPU @ 2.60GHz
hw.memsize: 17179869184
"""
VIRTUAL = """machdep.cpu.brand_string: Apple processor
hw.memsize: 8589934592
"""


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (M3_MAX, Machine(128 * GIB, Chip(3, Tier.MAX))),
        (M4_RAISED, Machine(16 * GIB, Chip(4, Tier.BASE), 14000 << 20)),
        (M1_PRO_OLD, Machine(32 * GIB, Chip(1, Tier.PRO))),
        (INTEL, Machine(16 * GIB)),
        (VIRTUAL, Machine(8 * GIB)),
        ("hw.memsize: 8589934592", Machine(8 * GIB)),
        ("", None),
        ("hw.memsize: many", None),
        ("hw.memsize: -1", None),
        ("hw.memsize: " + "9" * 5000, None),
    ],
)
def test_what_sysctl_says(said: str, expected: Machine | None) -> None:
    """Chip, memory and the limit that somebody set; what cannot be read is not there."""
    assert expected == machine_of(said)


@pytest.mark.parametrize("generation", [1, 2, 3, 4])
@pytest.mark.parametrize("tier", list(Tier))
def test_every_chip_reads_its_own_name(generation: int, tier: Tier) -> None:
    """M1 to M4, each of four sizes."""
    chip = Chip(generation, tier)
    assert chip == chip_of(str(chip))


@pytest.mark.parametrize(
    ("memory", "working_set", "for_models"),
    [
        (8, 5.33, 4.0),
        (16, 10.67, 10.67),
        (18, 12.0, 12.0),
        (24, 16.0, 16.0),
        (32, 21.33, 21.33),
        (36, 24.0, 24.0),
        (48, 36.0, 36.0),
        (64, 48.0, 48.0),
        (96, 72.0, 72.0),
        (128, 96.0, 96.0),
        (192, 144.0, 144.0),
        (256, 192.0, 192.0),
        (512, 384.0, 384.0),
    ],
)
def test_what_the_gpu_may_wire(memory: int, working_set: float, for_models: float) -> None:
    """Two thirds up to 36 GB, three quarters above; the smallest machines keep 4 GB for themselves."""
    machine = Machine(memory * GIB, Chip(3, Tier.MAX))
    assert machine.working_set is not None
    assert (working_set, for_models) == (round(machine.working_set / GIB, 2), round(machine.for_models / GIB, 2))


def test_a_limit_that_somebody_set_counts() -> None:
    """In both directions, as far as there is memory at all, and the system keeps its part."""
    chip = Chip(4, Tier.BASE)
    set_to = [Machine(16 * GIB, chip, wired * GIB) for wired in (8, 14, 99)]
    assert [(8, 8), (14, 12), (16, 12)] == [((each.working_set or 0) // GIB, each.for_models // GIB) for each in set_to]


def test_other_machines_have_no_such_limit() -> None:
    """Models may take what the embedded runtime may."""
    machine = Machine(16 * GIB)
    assert (None, 12 * GIB, 4) == (machine.working_set, machine.for_models, machine.slots)


def test_a_larger_chip_works_on_more_at_a_time() -> None:
    """Each tier has about twice the cores of the one before."""
    assert [4, 6, 10, 18] == [Machine(64 * GIB, Chip(2, tier)).slots for tier in Tier]


def test_this_machine_has_memory() -> None:
    """Whatever it is."""
    assert this_machine().memory > 0


def test_a_machine_in_words() -> None:
    """As people call it."""
    told = [str(Machine(36 * GIB, Chip(3, Tier.MAX))), str(Machine(8 * GIB))]
    assert ["Apple M3 Max with 36 GiB", "this machine with 8 GiB"] == told
