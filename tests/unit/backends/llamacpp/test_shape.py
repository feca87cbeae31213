"""Known models, with the sizes that llama.cpp itself logs for them or that follow from its sources by hand."""

from collections.abc import Mapping

import pytest

from roundhouse.backends.llamacpp.memory import Slots, need_of
from roundhouse.backends.llamacpp.shape import Shape, shape_of
from roundhouse.library.gguf import GgufOutline

Told = int | float | str | tuple[float, ...]
Keys = Mapping[str, Told]
MIB = 1 << 20


def an_outline(architecture: str, vocabulary: int, /, **keys: Told) -> GgufOutline:
    """What a header of *architecture* says; ``__`` stands for a dot."""
    named = {f"{architecture}.{key.replace('__', '.')}": value for key, value in keys.items()}
    return GgufOutline({"general.architecture": architecture, **named}, vocabulary)


def the_shape(outline: GgufOutline) -> Shape:
    """Its shape, which is known."""
    shape = shape_of(outline)
    assert shape is not None
    return shape


def heads(block: int, width: int, count: int, shared: int | tuple[int, ...], **more: Told) -> Keys:
    """The keys that every model with attention has."""
    return {
        "block_count": block,
        "embedding_length": width,
        "feed_forward_length": 4 * width,
        "attention__head_count": count,
        "attention__head_count_kv": shared,
        **more,
    }


LLAMA_3_1_8B = an_outline("llama", 128_256, **heads(32, 4096, 32, 8))
LLAMA_3_2_1B = an_outline("llama", 128_256, **heads(16, 2048, 32, 8, attention__key_length=64))
LLAMA_3_2_3B = an_outline("llama", 128_256, **heads(28, 3072, 24, 8))
LLAMA_3_1_405B = an_outline("llama", 128_256, **heads(126, 16_384, 128, 8))
QWEN_2_5_7B = an_outline("qwen2", 152_064, **heads(28, 3584, 28, 4))
MISTRAL_7B = an_outline("llama", 32_768, **heads(32, 4096, 32, 8, attention__sliding_window=4096))
GEMMA_3_4B = an_outline(
    "gemma3",
    262_144,
    **heads(34, 2560, 8, 4, attention__key_length=256, attention__value_length=256, attention__sliding_window=1024),
)
GPT_OSS_20B = an_outline(
    "gpt-oss",
    201_088,
    **heads(24, 2880, 64, 8, attention__key_length=64, attention__value_length=64, attention__sliding_window=128),
)
LATENT = {"attention__key_length_mla": 192, "attention__value_length_mla": 128}
DEEPSEEK_V2_LITE = an_outline(
    "deepseek2",
    102_400,
    **heads(27, 2048, 16, 1, attention__key_length=576, attention__value_length=512, **LATENT),
)
DEEPSEEK_V2_LITE_OLD = an_outline(
    "deepseek2", 102_400, **heads(27, 2048, 16, 16, attention__key_length=192, attention__value_length=128)
)
SSM = {"ssm__conv_kernel": 4, "ssm__inner_size": 5120, "ssm__state_size": 16}
MAMBA_2_8B = an_outline("mamba", 50_280, **heads(64, 2560, 0, 0, **SSM))
JAMBA = an_outline(
    "jamba",
    65_536,
    **heads(8, 2560, 20, (0, 0, 0, 0, 1, 0, 0, 0), **SSM),
)
QWEN_3_NEXT = an_outline(
    "qwen3next",
    151_936,
    **heads(48, 2048, 16, 2, attention__key_length=256, attention__value_length=256),
    ssm__conv_kernel=4,
    ssm__inner_size=4096,
    ssm__state_size=128,
    ssm__group_count=16,
)
GEMMA_3N = an_outline(
    "gemma3n",
    262_144,
    **heads(30, 2048, 8, 2, attention__key_length=256, attention__sliding_window=512, attention__shared_kv_layers=10),
)
LFM_2 = an_outline("lfm2", 65_536, **heads(4, 2048, 32, (0, 0, 8, 0), shortconv__l_cache=3))
RWKV_7 = an_outline("rwkv7", 65_536, **heads(12, 768, 0, 0), wkv__head_size=64, token_shift_count=2)
BERT = an_outline("bert", 30_522, **heads(12, 384, 12, 12, attention__causal=False))


@pytest.mark.parametrize(
    ("outline", "context", "parallel", "expected"),
    [
        pytest.param(LLAMA_3_1_8B, 8192, 1, 1024.0, id="llama-3.1-8b: 128 KiB per token"),
        pytest.param(LLAMA_3_1_8B, 131_072, 1, 16_384.0, id="llama-3.1-8b at its longest"),
        pytest.param(LLAMA_3_1_8B, 8192, 4, 4096.0, id="llama-3.1-8b, four at a time"),
        pytest.param(LLAMA_3_2_1B, 1024, 1, 32.0, id="llama-3.2-1b, as logged: 1024 cells, 16 layers"),
        pytest.param(LLAMA_3_2_3B, 1024, 1, 112.0, id="llama-3.2-3b, as logged: 1024 cells, 28 layers"),
        pytest.param(LLAMA_3_1_405B, 4096, 1, 2016.0, id="llama-3.1-405b, as logged: 4096 cells, 126 layers"),
        pytest.param(QWEN_2_5_7B, 4096, 1, 224.0, id="qwen2.5-7b: 56 KiB per token"),
        pytest.param(MISTRAL_7B, 8192, 1, 1024.0, id="mistral-7b, as logged: its window is not used"),
        pytest.param(GEMMA_3_4B, 8192, 1, 160.0 + 174.0, id="gemma-3-4b: 5 layers of 8192, 29 of 1536"),
        pytest.param(GEMMA_3_4B, 512, 1, 68.0, id="gemma-3-4b: the window is longer than the context"),
        pytest.param(GPT_OSS_20B, 131_072, 1, 3072.0 + 18.0, id="gpt-oss-20b, as logged: 12 of 131072, 12 of 768"),
        pytest.param(DEEPSEEK_V2_LITE, 4096, 1, 121.5, id="deepseek-v2-lite: 576 numbers, keys only"),
        pytest.param(DEEPSEEK_V2_LITE_OLD, 4096, 1, 1080.0, id="deepseek-v2-lite as it was converted before"),
        pytest.param(MAMBA_2_8B, 2048, 1, 23.75, id="mamba-2.8b, as logged"),
        pytest.param(MAMBA_2_8B, 1_048_576, 4, 95.0, id="mamba-2.8b does not grow with the context"),
        pytest.param(JAMBA, 4096, 1, 7 * 19 * 5120 * 4 / MIB + 2.0, id="jamba: seven states, one attention"),
        pytest.param(
            QWEN_3_NEXT,
            8192,
            1,
            12 * 16 + 36 * 4 * (3 * (4096 + 2 * 16 * 128) + 128 * 4096) / MIB,
            id="qwen3-next: every fourth layer attends",
        ),
        pytest.param(GEMMA_3N, 8192, 1, 4 * 16.0 + 16 * 2.0, id="gemma-3n: 20 of 30 layers, a fifth of them whole"),
        pytest.param(LFM_2, 4096, 1, 16 * 0.5 + 3 * 2048 * 2 * 4 / MIB, id="lfm2: short convolutions"),
        pytest.param(RWKV_7, 4096, 1, 12 * 768 * (2 + 64) * 4 / MIB, id="rwkv7: states only"),
        pytest.param(BERT, 512, 4, 0.0, id="bert remembers nothing"),
    ],
)
def test_the_cache_is_as_large_as_llama_cpp_makes_it(
    outline: GgufOutline, context: int, parallel: int, expected: float
) -> None:
    """In MiB, all slots together."""
    assert expected == need_of(0, the_shape(outline), Slots(context, parallel)).cache / MIB


@pytest.mark.parametrize(("kept_as", "expected"), [("f16", 1024.0), ("q8_0", 544.0), ("q4_0", 288.0)])
def test_a_cache_of_fewer_bits_is_smaller(kept_as: str, expected: float) -> None:
    """Llama 3.1 8B with 8192 tokens: 34 and 18 bytes for 32 numbers."""
    assert expected == need_of(0, the_shape(LLAMA_3_1_8B), Slots(8192, 1, kept_as)).cache / MIB


def test_windows_are_kept_in_fewer_bits_too() -> None:
    """Gemma 3: all of its layers shrink."""
    assert (160.0 + 174.0) * 17 / 32 == need_of(0, the_shape(GEMMA_3_4B), Slots(8192, 1, "q8_0")).cache / MIB


def test_the_pattern_of_the_file_counts() -> None:
    """A list for each layer, or how often a whole one comes; zero is never."""
    common = heads(4, 1024, 8, 8, attention__sliding_window=256)
    listed = an_outline("gemma4", 32_000, **common, attention__sliding_window_pattern=(True, True, True, False))
    repeated = an_outline("new", 32_000, **common, attention__sliding_window_pattern=2)
    never = an_outline("new", 32_000, **common, attention__sliding_window_pattern=0)
    counts = [
        sum(many for layer, many in the_shape(each).layers if layer.window is None)
        for each in (listed, repeated, never)
    ]
    assert [1, 2, 0] == counts


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"block_count": 4},
        heads(0, 4096, 32, 8),
        heads(1 << 31, 4096, 32, 8),
        heads(32, 0, 32, 8),
        heads(32, (1 << 63) - 1, 32, 8),
        heads(32, 4096, -1, 8),
        heads(32, 4096, 32, (8, 8)),
        heads(32, 4096, 32, ()),
        heads(32, 4096, 32, 8, attention__key_length=1 << 40),
        heads(32, 4096, 32, 8, attention__key_length="long"),
        heads(32, 4096, 32, 8, attention__sliding_window=1e300),
        heads(32, 4096, 32, 8, attention__sliding_window_pattern=()),
        heads(32, 4096, 32, (True,) * 32),
        heads(32, 4096, 32, 8, ssm__inner_size=1 << 40),
    ],
)
def test_an_absurd_header_tells_no_shape(keys: Keys) -> None:
    """What is missing, negative, of the wrong kind or beyond any model."""
    assert shape_of(an_outline("llama", 32_000, **keys)) is None


def test_a_file_without_an_architecture_tells_no_shape() -> None:
    """There is nothing to look up."""
    assert shape_of(GgufOutline({"block_count": 4}, None)) is None


@pytest.mark.parametrize(("length", "expected"), [(64, True), (96, True), (80, False), (16, False)])
def test_heads_that_are_no_whole_blocks_are_known(*, length: int, expected: bool) -> None:
    """llama.cpp does not keep them in fewer bits."""
    keys = heads(4, 1024, 8, 8, attention__key_length=length, attention__value_length=64)
    assert expected == the_shape(an_outline("llama", 32_000, **keys)).in_blocks
