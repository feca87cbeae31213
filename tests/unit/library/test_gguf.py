import struct
from pathlib import Path

import gguf
import numpy as np
import pytest

import roundhouse
from roundhouse.core.errors import SchemaError
from roundhouse.library.gguf import GgufHeader, read_header, read_outline
from roundhouse.testing.gguf import a_gguf

NOISE = Path(roundhouse.__file__).with_name("assets") / "noise.gguf"


def header_of(path: Path, data: bytes) -> GgufHeader:
    """What a file with *data* says."""
    path.write_bytes(data)
    return read_header(path)


def test_the_bundled_model_is_read() -> None:
    """A file written by the reference implementation says what it is."""
    header = read_header(NOISE)
    facts = (header.architecture, header.quantization, header.context, header.has_chat_template, header.license)
    assert ("llama", "F16", 4096, True, "Apache-2.0") == facts
    assert header.shards == 1


def test_the_parameters_are_all_numbers_of_all_tensors() -> None:
    """Counted as the reference implementation counts them."""
    tensors = gguf.GGUFReader(NOISE).tensors
    header = read_header(NOISE)
    assert (len(tensors), sum(int(tensor.n_elements) for tensor in tensors)) == (header.tensor_count, header.parameters)


def test_a_file_of_the_builder_is_one_that_others_read(tmp_path: Path) -> None:
    """The shipped builder writes real GGUF."""
    path = tmp_path / "model.gguf"
    path.write_bytes(a_gguf(np.arange(16, dtype=np.float32).tobytes(), general__name="tiny"))
    reader = gguf.GGUFReader(path)
    assert reader.fields["general.name"].contents() == "tiny"
    assert list(range(16)) == reader.tensors[0].data.tolist()


@pytest.mark.parametrize("value", [True, 7, 2.5, "text"])
def test_scalars_are_kept(tmp_path: Path, value: int | float | str) -> None:  # noqa: PYI041 (types of the format)
    """Every kind of scalar comes back as it was written."""
    header = header_of(tmp_path / "m.gguf", a_gguf(some__key=value))
    assert value == header.metadata["some.key"]


def test_arrays_are_passed_over(tmp_path: Path) -> None:
    """A vocabulary is checked and left out; what follows it is read."""
    header = header_of(tmp_path / "m.gguf", a_gguf(tokens=["a", "bc", ""], after=5))
    assert ("tokens" in header.metadata, header.metadata["after"]) == (False, 5)


def test_unknown_facts_are_none(tmp_path: Path) -> None:
    """A header need not say everything."""
    header = header_of(tmp_path / "m.gguf", a_gguf(file_type=9999, llama__context_length=0))
    assert (None, None, None, False) == (header.quantization, header.context, header.license, header.has_chat_template)


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    """Weights that are not there would be read by native code."""
    with pytest.raises(SchemaError, match=r"need \d+ bytes"):
        header_of(tmp_path / "m.gguf", a_gguf(bytes(4096))[:-1])


@pytest.mark.parametrize("data", [b"", b"GG", b"<html>", b"\x80\x04pickle", bytes(64)])
def test_what_is_no_gguf_is_refused(tmp_path: Path, data: bytes) -> None:
    """Four letters tell it apart from everything else."""
    with pytest.raises(SchemaError, match="not a GGUF file"):
        header_of(tmp_path / "m.gguf", data)


HUGE = struct.pack("<Q", 1 << 60)


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        (b"GGUF" + struct.pack("<IQQ", 9, 0, 0), "version 9"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 60), "no model has more"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 0), "tensors"),
        (b"GGUF" + struct.pack("<IQQ", 3, 900_000, 0), "are left"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + HUGE, "bytes of a key"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 0), "empty or given twice"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<I", 99), "type 99"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<I", 8) + HUGE, "are left"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<II", 9, 4) + HUGE, "are left"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<II", 9, 8) + HUGE, "are left"),
        (
            b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 6,
            "nested too deeply",
        ),
    ],
)
def test_lies_about_lengths_are_refused(tmp_path: Path, lie: bytes, words: str) -> None:
    """A promise that the file is too short for costs nothing but an error."""
    with pytest.raises(SchemaError, match=words):
        header_of(tmp_path / "m.gguf", lie + bytes(64))


def test_an_odd_alignment_is_refused(tmp_path: Path) -> None:
    """Only powers of two align anything."""
    with pytest.raises(SchemaError, match="alignment"):
        header_of(tmp_path / "m.gguf", a_gguf(general__alignment=3))


def test_a_key_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    """Two readers could believe two different values."""
    path = tmp_path / "m.gguf"
    key = struct.pack("<Q", 1) + b"k" + struct.pack("<II", 4, 1)
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 2) + key + key)
    with pytest.raises(SchemaError, match="given twice"):
        read_header(path)


def test_the_outline_is_what_stands_before_the_vocabulary(tmp_path: Path) -> None:
    """With the lists of numbers, how long the vocabulary is, and nothing of what comes after it."""
    path = tmp_path / "m.gguf"
    path.write_bytes(a_gguf(llama__block_count=2, heads=(4, 8), tokenizer__ggml__tokens=["a", "bc", ""], after=5))
    outline = read_outline(path)
    assert ("llama", 3, (4, 8), None) == (
        outline.architecture,
        outline.vocabulary,
        outline.metadata["heads"],
        outline.metadata.get("after"),
    )


def test_the_outline_goes_on_until_it_knows_the_layers(tmp_path: Path) -> None:
    """Some programs write the vocabulary first."""
    path = tmp_path / "m.gguf"
    path.write_bytes(a_gguf(tokenizer__ggml__tokens=["a", "bc"], names=["x"], llama__block_count=2))
    outline = read_outline(path)
    assert (2, 2) == (outline.vocabulary, outline.metadata["llama.block_count"])
