"""What is reckoned from a header, held against what llama.cpp itself says that it allocates."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest

from roundhouse.backends.llamacpp.memory import Slots, need_of
from roundhouse.backends.llamacpp.shape import shape_of
from roundhouse.library.gguf import read_outline
from roundhouse.testing.runtime import NOISE_FILE

pytestmark = pytest.mark.slow

#: The child's own parameters, and a child that says more.
_PROGRAM = """
import os, sys, xllamacpp
from roundhouse.backends.llamacpp.config import ChildConfig
from roundhouse.backends.llamacpp.server import parameters
path, context, parallel, kept_as = sys.argv[1:]
config = ChildConfig(path, "m", int(context), int(parallel), "k", os.getppid(), threads=1, cache_type=kept_as)
params = parameters(config)
params.verbosity = 4
server = xllamacpp.Server(params)
sys.stdin.read()
os._exit(0)
"""
_KEPT = re.compile(r"llama_(?:kv_cache|memory_recurrent):\s+size =\s+([\d.]+) MiB")
_WORKING = re.compile(r"compute buffer size =\s+([\d.]+) MiB")
_WIDTH, _TOKENS = 64, 64


def told(path: Path, context: int, parallel: int, cache_type: str = "f16") -> tuple[float, float]:
    """MiB that llama.cpp says it keeps tokens and states in, and that it works in."""
    command = [sys.executable, "-c", _PROGRAM, str(path), str(context), str(parallel), cache_type]
    said: list[str] = []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        for line in child.stderr or ():
            # What it tries first, to see whether it fits, it also says.
            said = [] if "constructing llama_context" in line else [*said, line]
            if "listening on" in line:
                break
        child.kill()
    return sum(map(float, _KEPT.findall("".join(said)))), sum(map(float, _WORKING.findall("".join(said))))


def write(
    path: Path, architecture: str, layers: int, keys: dict[str, int], tensors: dict[str, tuple[int, ...]]
) -> None:
    """A model of that architecture with weights of nothing but noise."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_context_length(8192)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(_WIDTH)
    writer.add_layer_norm_rms_eps(1e-5)
    for key, value in keys.items():
        writer.add_uint32(f"{architecture}.{key}", value)
    writer.add_tokenizer_model("no_vocab")
    writer.add_vocab_size(_TOKENS)
    rng = np.random.default_rng(1)
    named = {
        "token_embd.weight": (_TOKENS, _WIDTH),
        "output_norm.weight": (_WIDTH,),
        "output.weight": (_TOKENS, _WIDTH),
    }
    for layer in range(layers):
        named |= {f"blk.{layer}.{name}": shape for name, shape in tensors.items()}
    for name, shape in named.items():
        writer.add_tensor(name, rng.normal(0, 0.1, shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


_FEED = {"ffn_norm.weight": (64,), "ffn_gate.weight": (64, 64), "ffn_up.weight": (64, 64), "ffn_down.weight": (64, 64)}


def gemma(path: Path) -> None:
    """Six layers, of which the last one sees everything."""
    keys = {"attention.head_count": 2, "attention.head_count_kv": 1, "attention.sliding_window": 256}
    tensors = {
        "attn_norm.weight": (64,),
        "attn_q.weight": (128, 64),
        "attn_k.weight": (64, 64),
        "attn_v.weight": (64, 64),
        "attn_output.weight": (64, 128),
        "attn_q_norm.weight": (64,),
        "attn_k_norm.weight": (64,),
        "post_attention_norm.weight": (64,),
        "post_ffw_norm.weight": (64,),
    }
    write(path, "gemma3", 6, {**keys, "attention.key_length": 64, "attention.value_length": 64}, {**tensors, **_FEED})


def mamba(path: Path) -> None:
    """Two layers that keep a state."""
    keys = {"attention.head_count": 0, "ssm.conv_kernel": 4, "ssm.inner_size": 128, "ssm.state_size": 16}
    tensors = {
        "attn_norm.weight": (64,),
        "ssm_in.weight": (256, 64),
        "ssm_conv1d.weight": (128, 4),
        "ssm_conv1d.bias": (128,),
        "ssm_x.weight": (36, 128),
        "ssm_dt.weight": (128, 4),
        "ssm_dt.bias": (128,),
        "ssm_a": (128, 16),
        "ssm_d": (128,),
        "ssm_out.weight": (64, 128),
    }
    write(path, "mamba", 2, {**keys, "ssm.time_step_rank": 4}, tensors)


def deepseek(path: Path) -> None:
    """Two layers that keep one latent vector for all heads."""
    keys = {
        "attention.head_count": 4,
        "attention.head_count_kv": 1,
        "attention.key_length": 80,
        "attention.value_length": 64,
        "attention.key_length_mla": 32,
        "attention.value_length_mla": 16,
        "attention.q_lora_rank": 32,
        "attention.kv_lora_rank": 64,
        "rope.dimension_count": 16,
        "leading_dense_block_count": 2,
        "expert_feed_forward_length": 64,
        "expert_count": 2,
        "expert_used_count": 1,
        "expert_shared_count": 1,
    }
    tensors = {
        "attn_norm.weight": (64,),
        "attn_q_a.weight": (32, 64),
        "attn_q_a_norm.weight": (32,),
        "attn_q_b.weight": (128, 32),
        "attn_kv_a_mqa.weight": (80, 64),
        "attn_kv_a_norm.weight": (64,),
        "attn_k_b.weight": (4, 64, 16),
        "attn_v_b.weight": (4, 16, 64),
        "attn_output.weight": (64, 64),
    }
    write(path, "deepseek2", 2, keys, {**tensors, **_FEED})


@pytest.fixture(params=[None, gemma, mamba, deepseek], ids=["noise", "gemma3", "mamba", "deepseek2"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Files of four ways to remember."""
    make: Callable[[Path], None] | None = request.param
    if make is not None:
        make(tmp_path / "m.gguf")
    return NOISE_FILE if make is None else tmp_path / "m.gguf"


@pytest.mark.parametrize(("context", "parallel"), [(512, 4), (4096, 1), (1000, 3)])
def test_the_cache_is_what_llama_cpp_allocates(model: Path, context: int, parallel: int) -> None:
    """To the last digit that it says; and it works in no more than is reckoned."""
    kept, working = told(model, context, parallel)
    need = need_of(0, shape_of(read_outline(model)), Slots(context, parallel))
    assert kept > 0
    assert kept == pytest.approx(need.cache / (1 << 20), abs=0.011)
    assert 0 < working <= need.buffers / (1 << 20)


@pytest.mark.parametrize("cache_type", ["q8_0", "q4_0"])
@pytest.mark.parametrize("make", [gemma, mamba])
def test_fewer_bits_are_reckoned_with(tmp_path: Path, make: Callable[[Path], None], cache_type: str) -> None:
    """Where there is something to keep in them."""
    make(tmp_path / "m.gguf")
    kept, _ = told(tmp_path / "m.gguf", 4096, 2, cache_type)
    need = need_of(0, shape_of(read_outline(tmp_path / "m.gguf")), Slots(4096, 2, cache_type))
    assert kept == pytest.approx(need.cache / (1 << 20), abs=0.021)
