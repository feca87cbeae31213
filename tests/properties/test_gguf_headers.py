"""However a header is damaged, reading it ends in facts or in E_SCHEMA, and soon."""

import tempfile
from contextlib import suppress
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

import roundhouse
from roundhouse.backends.llamacpp.memory import Slots, need_of
from roundhouse.backends.llamacpp.shape import shape_of
from roundhouse.core.errors import SchemaError
from roundhouse.library.gguf import read_header, read_outline
from roundhouse.testing.gguf import a_gguf

NOISE = Path(roundhouse.__file__).with_name("assets").joinpath("noise.gguf").read_bytes()
SMALL = a_gguf(bytes(256), general__name="tiny", tokens=["a", "b", "c"], scale=0.5, flag=True)


def read(data: bytes) -> None:
    """Read the header of *data* and reckon with it; only our error may leave."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "model.gguf"
        path.write_bytes(data)
        with suppress(SchemaError):
            shape = shape_of(read_outline(path))
            need = need_of(len(data), shape, Slots(4096, 4))
            assert len(data) <= need.total < 1 << 70
        try:
            header = read_header(path)
        except SchemaError:
            return
        assert 0 <= header.parameters
        assert len(header.metadata) <= len(data)


@given(st.sampled_from([NOISE, SMALL]), st.data())
def test_overwritten_bytes(whole: bytes, data: st.DataObject) -> None:
    """A few bytes replaced anywhere in the header."""
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(4, min(len(whole), 9000) - 8))
        patch = data.draw(st.binary(min_size=1, max_size=8))
        changed[at : at + len(patch)] = patch
    read(bytes(changed))


@given(st.sampled_from([NOISE, SMALL]), st.data())
def test_cut_files(whole: bytes, data: st.DataObject) -> None:
    """The end missing."""
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "model.gguf"
        path.write_bytes(cut)
        try:
            read_header(path)
        except SchemaError:
            return
        raise AssertionError(len(cut))


@given(st.binary(max_size=2000))
def test_noise_behind_the_magic(noise: bytes) -> None:
    """Anything at all."""
    read(b"GGUF\x03\0\0\0" + noise)
