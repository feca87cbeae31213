"""However the header of a model file is mutated, reading it ends in facts or in E_SCHEMA. `make fuzz` tries more."""

import os
import random
from collections import Counter
from pathlib import Path

import pytest
from tests.strategies.hostile import mutated

import roundhouse
from roundhouse.core.errors import SchemaError
from roundhouse.library.formats.facts import check_header
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.safetensors import a_safetensors

#: How many mutations of each format are tried.
COUNT = int(os.environ.get("ROUNDHOUSE_FUZZ", "0")) or 200  # noqa: TID251 - steers the tests
SEED = 200_000

NOISE = Path(roundhouse.__file__).with_name("assets").joinpath("noise.gguf").read_bytes()
SEEDS = {
    "gguf": (a_gguf(bytes(256), general__name="tiny", tokens=["a", "b", "c"], scale=0.5, flag=True), NOISE[:12_000]),
    "safetensors": (
        a_safetensors({"weights": ("F32", (4, 16)), "scales": ("BF16", (16,))}, metadata={"format": "pt"}),
        a_safetensors({"x": ("U8", (0,))}),
    ),
}


def overwrite(path: Path, data: bytes) -> None:
    """In place: a file that is emptied first goes to the disk each time, which takes a hundred times longer."""
    with path.open("r+b") as file:
        file.write(data)
        file.truncate()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", sorted(SEEDS))
def test_a_mutated_header_is_read_or_refused(kind: str, tmp_path: Path) -> None:
    """Only our error leaves."""
    chance, outcomes, path = random.Random(SEED), Counter[str](), tmp_path / f"model.{kind}"
    path.touch()
    for _ in range(COUNT):
        whole = chance.choice(SEEDS[kind])
        overwrite(path, mutated(whole, min(len(whole), 400 if chance.random() < 0.9 else len(whole)), chance))
        try:
            check_header(path.name, path)
        except SchemaError:
            outcomes["refused"] += 1
        else:
            outcomes["read"] += 1
    assert outcomes["refused"] > COUNT // 4
    print(f"{COUNT:,} mutated {kind} headers: {dict(outcomes)}, nothing else")
