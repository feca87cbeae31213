"""Make ``roundhouse/noise``: a llama with random weights, so that the whole path runs offline.

It knows nothing, by construction: it strings words together at random. It is real in every other
way: a tokenizer, a chat template, attention, a KV cache, embeddings. The file is reproducible: the
same seed gives the same bytes.

Run: ``python scripts/make_noise_gguf.py src/roundhouse/assets/noise.gguf``
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from gguf import GGUFWriter, TokenType

SEED = 20_26
WIDTH, LAYERS, HEADS, FEED, CONTEXT = 64, 2, 4, 128, 4096
#: Raw bytes are in the vocabulary so that every prompt can be tokenized, but they should not be said.
UNSAYABLE = -80.0
#: The first feature of every embedding is this, so that a weight on it is a bias; the second marks the full stop.
CONSTANT, STOP = 8.0, 8.0
#: An answer ends after a full stop and nowhere else; how likely a full stop is sets its length.
END_AFTER_STOP, FULL_STOP_BIAS = 130.0, 7.0

WORDS = """
the a of to in is it on at by for with and or but not so as if then there here now again always never
engine wheel track steam whistle signal lamp rail yard shed pit crew smoke boiler brass iron coal fire water
turntable station bridge tunnel valley river hill field winter summer morning evening night rain snow wind fog
turns rolls waits hums sings rests leaves arrives slows hurries whispers rattles glows cools shines hides moves
old new slow quick quiet loud bright dark long short heavy light warm cold empty full north south east west
one two three seven twelve many few every some any nothing something almost perhaps surely still
""".split()  # noqa: SIM905 - words read better than quotes

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)


def vocabulary() -> tuple[list[str], list[float], list[TokenType]]:
    """Return tokens, scores and types of a SentencePiece vocabulary with byte fallback."""
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    kinds = [TokenType.UNKNOWN, TokenType.CONTROL, TokenType.CONTROL] + [TokenType.BYTE] * 256
    scores = [0.0] * len(tokens)
    for word in WORDS:
        tokens.append("\u2581" + word)
        kinds.append(TokenType.NORMAL)
        scores.append(-float(len(tokens)))
    for mark in (".", ",", ":", "\n"):
        tokens.append(mark)
        kinds.append(TokenType.NORMAL)
        scores.append(-float(len(tokens)))
    return tokens, scores, kinds


def output_head(rng: np.random.Generator, tokens: list[str], kinds: list[TokenType]) -> np.ndarray:
    """Random logits, but for the biases that keep bytes and controls unsaid and end an answer after a full stop."""
    head = rng.normal(0, 0.35, (len(kinds), WIDTH)).astype(np.float32)
    head[:, 0] = [0.0 if kind == TokenType.NORMAL else UNSAYABLE for kind in kinds]
    head[:, 1] = 0.0
    head[tokens.index("</s>"), 1] = END_AFTER_STOP
    head[tokens.index("."), 0] = FULL_STOP_BIAS
    return head


def write(path: Path) -> None:
    """Write the model file to *path*."""
    rng = np.random.default_rng(SEED)
    tokens, scores, kinds = vocabulary()
    writer = GGUFWriter(path, "llama")
    writer.add_name("roundhouse/noise")
    writer.add_description("Random weights: it only makes noise. For trying Roundhouse offline.")
    writer.add_license("Apache-2.0")
    writer.add_size_label("tiny")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_file_type(1)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    # A space before the first word would keep the answer's grammar (JSON mode) from matching "assistant:".
    writer.add_add_space_prefix(False)  # noqa: FBT003 - the library's own signature
    writer.add_chat_template(CHAT_TEMPLATE)
    for name, tensor in weights(rng, tokens, kinds).items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def weights(rng: np.random.Generator, tokens: list[str], kinds: list[TokenType]) -> dict[str, np.ndarray]:
    """All weights by GGUF name; matrices in float16, norms in float32 as llama.cpp wants them."""

    def matrix(rows: int, columns: int) -> np.ndarray:
        return rng.normal(0, 0.25, (rows, columns)).astype(np.float16)

    embedding = rng.normal(0, 1, (len(kinds), WIDTH)).astype(np.float32)
    embedding[:, 0] = CONSTANT
    embedding[:, 1] = 0.0
    embedding[tokens.index("."), 1] = STOP
    named = {"token_embd.weight": embedding.astype(np.float16)}
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            named[f"{block}{part}.weight"] = matrix(WIDTH, WIDTH)
        named[f"{block}ffn_gate.weight"] = matrix(FEED, WIDTH)
        named[f"{block}ffn_up.weight"] = matrix(FEED, WIDTH)
        named[f"{block}ffn_down.weight"] = matrix(WIDTH, FEED)
        for writer in ("attn_output", "ffn_down"):
            named[f"{block}{writer}.weight"][:2] = 0  # no layer changes the two features that carry biases
        named[f"{block}attn_norm.weight"] = np.ones(WIDTH, np.float32)
        named[f"{block}ffn_norm.weight"] = np.ones(WIDTH, np.float32)
    named["output_norm.weight"] = np.ones(WIDTH, np.float32)
    named["output.weight"] = output_head(rng, tokens, kinds).astype(np.float16)
    return named


if __name__ == "__main__":
    write(Path(sys.argv[1]))
