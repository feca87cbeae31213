"""Make a tiny llama with random weights in the layout that mlx_lm loads, for talking to a real mlx_lm.server in tests.

It needs neither mlx nor safetensors: the files are written as their formats say. Reproducible: one seed, one result.

Run: ``python scripts/make_noise_mlx.py FOLDER``
"""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path

import numpy as np

SEED = 20_26
WIDTH, LAYERS, HEADS, FEED, CONTEXT = 64, 2, 4, 128, 2048

SPECIAL = ("<unk>", "<s>", "</s>")
WORDS = """
the a of to in is it on at by for with and or but not so as if then there here now again always never
engine wheel track steam whistle signal lamp rail yard shed pit crew smoke boiler brass iron coal fire water
turns rolls waits hums sings rests leaves arrives slows hurries whispers rattles glows cools shines hides moves
user assistant system : . ,
"""
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }} : {{ message['content'] }} {% endfor %}"
    "{% if add_generation_prompt %}assistant : {% endif %}"
)


def config(vocabulary: int) -> dict[str, object]:
    """What mlx_lm reads first."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": WIDTH,
        "num_hidden_layers": LAYERS,
        "intermediate_size": FEED,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "rms_norm_eps": 1e-5,
        "vocab_size": vocabulary,
        "max_position_embeddings": CONTEXT,
        "rope_theta": 10_000.0,
        "tie_word_embeddings": False,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "torch_dtype": "float32",
    }


def tokenizer(tokens: list[str]) -> dict[str, object]:
    """One token per word; a word that is not known is ``<unk>``."""
    added = [
        {"id": number, "content": token, "single_word": False, "lstrip": False, "rstrip": False}
        | {"normalized": False, "special": True}
        for number, token in enumerate(SPECIAL)
    ]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": {t: n for n, t in enumerate(tokens)}, "unk_token": "<unk>"},
    }


def tensors(vocabulary: int) -> dict[str, np.ndarray]:
    """All weights by their Hugging Face names."""
    rng = np.random.default_rng(SEED)

    def matrix(rows: int, columns: int) -> np.ndarray:
        return rng.normal(0, 0.25, (rows, columns)).astype(np.float32)

    named = {"model.embed_tokens.weight": matrix(vocabulary, WIDTH), "model.norm.weight": np.ones(WIDTH, np.float32)}
    for layer in range(LAYERS):
        block = f"model.layers.{layer}"
        for part in "qkvo":
            named[f"{block}.self_attn.{part}_proj.weight"] = matrix(WIDTH, WIDTH)
        named[f"{block}.mlp.gate_proj.weight"] = matrix(FEED, WIDTH)
        named[f"{block}.mlp.up_proj.weight"] = matrix(FEED, WIDTH)
        named[f"{block}.mlp.down_proj.weight"] = matrix(WIDTH, FEED)
        for norm in ("input_layernorm", "post_attention_layernorm"):
            named[f"{block}.{norm}.weight"] = np.ones(WIDTH, np.float32)
    named["lm_head.weight"] = matrix(vocabulary, WIDTH)
    return named


def write_safetensors(path: Path, named: dict[str, np.ndarray]) -> None:
    """The format: a length, a JSON header with offsets, the bytes."""
    header: dict[str, object] = {"__metadata__": {"format": "mlx"}}
    offset = 0
    for name, tensor in named.items():
        header[name] = {"dtype": "F32", "shape": tensor.shape, "data_offsets": [offset, offset + tensor.nbytes]}
        offset += tensor.nbytes
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(tensor.tobytes() for tensor in named.values()))


def write(folder: Path) -> None:
    """Write the model into *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    tokens = [*SPECIAL, *dict.fromkeys(WORDS.split())]
    named = tensors(len(tokens))
    write_safetensors(folder / "model.safetensors", named)
    settings: dict[str, object] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
    }
    settings |= {"unk_token": "<unk>", "chat_template": CHAT_TEMPLATE, "model_max_length": CONTEXT}
    files = {
        "config.json": config(len(tokens)),
        "tokenizer.json": tokenizer(tokens),
        "tokenizer_config.json": settings,
        "model.safetensors.index.json": {"metadata": {}, "weight_map": dict.fromkeys(named, "model.safetensors")},
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
