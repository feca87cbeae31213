import gguf

from roundhouse.library.tensors import _BLOCKS, FILE_TYPES


def test_the_block_sizes_are_those_of_ggml() -> None:
    """Every type that we measure is measured as llama.cpp lays it out."""
    theirs = {int(kind): size for kind, size in gguf.GGML_QUANT_SIZES.items()}
    assert {kind: theirs[kind] for kind in _BLOCKS} == _BLOCKS


def test_the_names_of_file_types_are_those_of_llama_cpp() -> None:
    """What a file says about its quantisation is read as the tools wrote it."""
    theirs = {
        int(kind): kind.name.removeprefix("MOSTLY_").removeprefix("ALL_")
        for kind in gguf.LlamaFileType
        if kind.name != "GUESSED"
    }
    assert {number: theirs[number] for number in FILE_TYPES} == FILE_TYPES
