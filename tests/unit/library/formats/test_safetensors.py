import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roundhouse.core.errors import SchemaError
from roundhouse.library.formats.safetensors import SafetensorsHeader, read_safetensors
from roundhouse.testing.safetensors import a_safetensors, with_header


def header_of(path: Path, data: bytes) -> SafetensorsHeader:
    """What a file with these bytes says."""
    path /= "model.safetensors"
    path.write_bytes(data)
    return read_safetensors(path)


def entry(begin: int, end: int, *, dtype: str = "U8", shape: list[int] | None = None) -> dict[str, object]:
    """One entry of a header."""
    return {"dtype": dtype, "shape": [end - begin] if shape is None else shape, "data_offsets": [begin, end]}


def a_file(length: int, **entries: object) -> bytes:
    """A file whose header holds *entries*, and *length* bytes behind it."""
    return with_header(json.dumps(entries).encode(), bytes(length))


def test_a_header_tells_tensors_and_metadata(tmp_path: Path) -> None:
    """Types and sizes by name, and what the writer noted."""
    header = header_of(tmp_path, a_safetensors({"w": ("BF16", (4, 8))}, metadata={"format": "mlx"}))
    assert ("BF16", 32) == (header.tensors["w"].dtype, header.tensors["w"].numbers)
    assert {"format": "mlx"} == header.metadata


def test_a_header_may_be_padded(tmp_path: Path) -> None:
    """Writers align it with spaces."""
    assert {"w"} == set(
        header_of(tmp_path, with_header(json.dumps({"w": entry(0, 4)}).encode() + b"   ", bytes(4))).tensors
    )


def test_a_type_that_is_newer_than_us_is_believed(tmp_path: Path) -> None:
    """Its place is checked, and its size is what it says."""
    assert 9 == header_of(tmp_path, a_file(4, w=entry(0, 4, dtype="F3", shape=[9]))).tensors["w"].numbers


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GGUF",
        bytes(8),
        with_header(b"[]"),
        with_header(b'{"w": 3}'),
        with_header(b'{"w": {"dtype": "U8"}}'),
        with_header(b"[" * 100_000),
        with_header(b'{"\xff": 1}'),
        (1 << 63).to_bytes(8, "little") + b"{}",
        (100).to_bytes(8, "little") + b"{}",
        a_file(4, w=entry(0, 8)),
        a_file(8, w=entry(0, 4)),
        a_file(8, w=entry(4, 8)),
        a_file(8, v=entry(0, 6), w=entry(4, 8)),
        a_file(8, v=entry(0, 3), w=entry(4, 8)),
        a_file(4, w=entry(4, 0, shape=[4])),
        a_file(4, w=entry(0, 4, shape=[5])),
        a_file(4, w=entry(0, 4, shape=[-4])),
        a_file(4, w=entry(0, 4, shape=[1] * 65)),
        a_file(4, w=entry(0, 4, dtype="F32", shape=[1 << 61] * 64)),
        a_file(1, __metadata__={"format": 3}),
        with_header(
            b'{"w":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"w":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}',
            bytes(4),
        ),
    ],
)
def test_what_is_not_so_is_refused(tmp_path: Path, data: bytes) -> None:
    """Cut off, overlapping, with holes, given twice, absurd, or something else."""
    with pytest.raises(SchemaError):
        header_of(tmp_path, data)


@settings(max_examples=200)
@given(
    flips=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), min_size=1, max_size=4), cut=st.integers(0, 300)
)
def test_a_damaged_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, flips: list[tuple[int, int]], cut: int
) -> None:
    """Nothing but our own error comes out of it."""
    data = bytearray(a_safetensors({"a": ("F32", (2, 3)), "b": ("BF16", (4,))}, metadata={"format": "pt"}))
    for place, value in flips:
        data[place % len(data)] = value
    try:
        header_of(tmp_path_factory.mktemp("mutated"), bytes(data[: max(cut, 0) or None]))
    except SchemaError:
        return
