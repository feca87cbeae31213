"""How the layers of a model are built, as far as it decides what they keep in memory. Pure; reads no files.

A header may say anything. What is missing or absurd leaves the shape unknown; nobody divides or multiplies by it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from roundhouse.library.gguf import GgufOutline

#: More than any real model has. All products of these stay far below what a disk can hold.
_LAYERS, _WIDTH, _HEADS, _HEAD, _FEED, _TOKENS, _STATE = 1024, 1 << 18, 1 << 14, 1 << 14, 1 << 22, 1 << 24, 1 << 20
#: Of so many layers one sees the whole context and the others a window, where the file itself does not say.
_PERIODS = {
    "gemma2": 2, "gemma3": 6, "gemma3n": 5, "gpt-oss": 2, "cohere2": 4, "exaone4": 4, "olmo2": 4, "plamo3": 8,
}  # fmt: skip
#: Of so many layers one has attention and the others a state, where the file itself does not say.
_INTERVALS = {"qwen3next": 4, "qwen35": 4, "qwen35moe": 4}
_FLOAT, _BLOCK = 4, 32


@dataclass(frozen=True, slots=True)
class Layer:
    """What one layer keeps."""

    #: Numbers for each token that it looks back on.
    keys: int = 0
    values: int = 0
    #: Tokens that it looks back on; ``None`` is the whole context.
    window: int | None = None
    #: Bytes for each slot, however long the context is.
    state: int = 0


@dataclass(frozen=True, slots=True)
class Shape:
    """A model as its layers are built."""

    #: The different kinds of layers, and how many there are of each.
    layers: tuple[tuple[Layer, int], ...]
    #: Numbers between two layers, inside the widest of them, and at the end: one for each token it knows.
    width: int
    feed: int
    vocabulary: int
    #: Heads are made of whole blocks, which is what keeping them in fewer bits takes.
    in_blocks: bool = True


def shape_of(outline: GgufOutline) -> Shape | None:
    """The shape that *outline* tells; ``None`` when it tells too little, or what no model is like."""
    try:
        return _shape(_Keys(outline), outline)
    except ValueError:
        return None


class _Keys:
    """The numbers of one header, each within what is possible; anything else is a ValueError."""

    def __init__(self, outline: GgufOutline) -> None:
        self._metadata, self.architecture = outline.metadata, outline.architecture

    def one(self, key: str, most: int, default: int | None = None) -> int:
        """A number, of a list the largest."""
        told = self._told(key, default)
        return max(_checked(each, most, key) for each in (told if isinstance(told, Sequence) else (told,)))

    def each(self, key: str, most: int, layers: int, default: Sequence[int] | int | None = None) -> tuple[int, ...]:
        """A number for each layer."""
        told = self._told(key, default)
        numbers = tuple(_checked(one, most, key) for one in (told if isinstance(told, Sequence) else (told,) * layers))
        if len(numbers) < layers:
            raise ValueError(key)
        return numbers[:layers]

    def flags(self, key: str, layers: int) -> tuple[bool, ...] | None:
        """Yes or no for each layer; ``None`` when there is no such list."""
        told = self._metadata.get(f"{self.architecture}.{key}")
        if not isinstance(told, tuple):
            return None
        if not told:
            raise ValueError(key)
        return tuple(bool(told[number % len(told)]) for number in range(layers))

    def is_off(self, key: str) -> bool:
        """Whether the file says no."""
        return self._metadata.get(f"{self.architecture}.{key}") is False

    def _told(self, key: str, default: Sequence[int] | int | None) -> object:
        told = self._metadata.get(f"{self.architecture}.{key}", default)
        if told is None or told == ():
            raise ValueError(key)
        return told


def _checked(told: object, most: int, key: str) -> int:
    if isinstance(told, bool) or not isinstance(told, int) or not 0 <= told <= most:
        raise ValueError(key)
    return told


def _shape(keys: _Keys, outline: GgufOutline) -> Shape:
    count, width = keys.one("block_count", _LAYERS), keys.one("embedding_length", _WIDTH)
    if not count or not width:
        raise ValueError(count, width)
    experts = keys.one("expert_feed_forward_length", _FEED, 0) * keys.one("expert_used_count", _LAYERS, 0)
    return Shape(
        layers=tuple(Counter(_layers(keys, count, width)).items()),
        width=width,
        feed=max(keys.one("feed_forward_length", _FEED, 0), experts),
        vocabulary=_checked(outline.vocabulary or keys.one("vocab_size", _TOKENS, 0), _TOKENS, "vocabulary"),
        in_blocks=all(length % _BLOCK == 0 for length in _lengths(keys, width)),
    )


def _layers(keys: _Keys, count: int, width: int) -> Iterator[Layer]:
    heads = keys.each("attention.head_count", _HEADS, count, 0)
    shared = keys.each("attention.head_count_kv", _HEADS, count, heads)
    k, v, k_near, v_near = _lengths(keys, width)
    # Latent attention keeps one vector that is key and value at once.
    is_latent = keys.one("attention.key_length_mla", _HEAD, 0) > 0
    window, near = keys.one("attention.sliding_window", _TOKENS, 0), _sliding(keys, count)
    attends, keeps = _attention(keys, shared)
    state = _state(keys, width)
    for number, key_heads in enumerate(shared):
        is_near = window > 0 and near[number]
        remembers = attends[number] and not keys.is_off("attention.causal")
        yield Layer(
            keys=key_heads * (k_near if is_near else k) if remembers else 0,
            values=key_heads * (v_near if is_near else v) if remembers and not is_latent else 0,
            window=window if is_near else None,
            state=state if keeps[number] else 0,
        )


def _lengths(keys: _Keys, width: int) -> tuple[int, int, int, int]:
    """Numbers of a key and of a value of one head, in layers that see everything and in those with a window."""
    heads = keys.one("attention.head_count", _HEADS, 0)
    own = width // heads if heads else 0
    k, v = keys.one("attention.key_length", _HEAD, own), keys.one("attention.value_length", _HEAD, own)
    return k, v, keys.one("attention.key_length_swa", _HEAD, k), keys.one("attention.value_length_swa", _HEAD, v)


def _sliding(keys: _Keys, count: int) -> tuple[bool, ...]:
    """Which layers look back on a window only."""
    told = keys.flags("attention.sliding_window_pattern", count)
    if told is not None:
        return told
    period = keys.one("attention.sliding_window_pattern", _LAYERS, _PERIODS.get(keys.architecture or "", 1))
    return tuple(period == 0 or number % period < period - 1 for number in range(count))


def _attention(keys: _Keys, shared: Sequence[int]) -> tuple[Sequence[bool], Sequence[bool]]:
    """Which layers remember tokens, and which have a state, if the model has one at all."""
    interval = keys.one("full_attention_interval", _LAYERS, _INTERVALS.get(keys.architecture or "", 0))
    count = len(shared)
    if interval:
        whole = [(number + 1) % interval == 0 for number in range(count)]
        return whole, [not each for each in whole]
    # The last layers of some models look up what earlier ones remember.
    own = count - min(count, keys.one("attention.shared_kv_layers", _LAYERS, 0))
    whole = [each > 0 and number < own for number, each in enumerate(shared)]
    # Where every layer has attention and the model has a state, every layer has both.
    return whole, [True] * count if all(shared) else [each == 0 for each in shared]


def _state(keys: _Keys, width: int) -> int:
    """Bytes that one layer with a state keeps for each slot."""
    if head := keys.one("wkv.head_size", _STATE, 0):
        return _FLOAT * width * (keys.one("token_shift_count", _LAYERS, 2) + head)
    if reach := keys.one("shortconv.l_cache", _LAYERS, 0):
        return _FLOAT * width * (reach - 1)
    inner, size = keys.one("ssm.inner_size", _STATE, 0), keys.one("ssm.state_size", _STATE, 0)
    kernel, groups = keys.one("ssm.conv_kernel", _LAYERS, 0), keys.one("ssm.group_count", _STATE, 0)
    return _FLOAT * (max(0, kernel - 1) * (inner + 2 * groups * size) + size * inner)
