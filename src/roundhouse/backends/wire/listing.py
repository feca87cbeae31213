"""``GET /v1/models`` as real servers answer it, and what may be concluded from it. Knows nothing about sockets.

The rule for capabilities, which the list of OpenAI itself does not tell: a model that is declared or named as an
embedding model embeds and does nothing else. Any other is taken to chat, complete, call tools and follow a schema,
because refusing what would have worked is worse than passing on a backend's own "I cannot"; that it sees pictures
or embeds as well is believed only when it is declared.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from roundhouse.backends.wire.failures import excerpt
from roundhouse.backends.wire.figures import tokens
from roundhouse.backends.wire.mending import read_mended
from roundhouse.backends.wire.quirks import Prices
from roundhouse.core.errors import BackendError
from roundhouse.core.inference import Capability, Price, Residency

_EMBEDDER = re.compile(
    r"(?i)embed|(?:^|[/_-])(?:bge|e5|gte|minilm|mxbai|arctic-em|sbert|jina-(?:clip|col))(?:[/_\-:.]|$)"
)
_RERANKER = re.compile(r"(?i)re-?rank")
_PATH = re.compile(r"(?:[.~]{0,2}[/\\]|[A-Za-z]:[/\\])|.*\.gguf$")
_WRITER = frozenset({Capability.CHAT, Capability.COMPLETION, Capability.TOOLS, Capability.JSON_SCHEMA})
_EMBEDDING_TYPES = ("embeddings", "embedding")
#: Together's names for what is not asked for in words.
_OTHERS = ("image", "video", "audio", "transcribe", "moderation")
#: USD for one token: more is no price but a mistake.
_DEAREST = 1.0
_RESIDENCIES = {
    "loaded": Residency.LOADED,
    "not-loaded": Residency.COLD,
    "unloaded": Residency.COLD,
    "sleeping": Residency.COLD,
}


class _Meta(msgspec.Struct):
    n_ctx: int | None = None


class _Architecture(msgspec.Struct):
    input_modalities: list[str] | None = None


class _Status(msgspec.Struct):
    value: str | None = None


class _Entry(msgspec.Struct):
    id: str
    #: LM Studio: ``llm``, ``vlm`` or ``embeddings``.
    type: str | None = None
    state: str | None = None
    loaded_context_length: int | None = None
    max_context_length: int | None = None
    #: vLLM.
    max_model_len: int | None = None
    #: OpenRouter, LiteLLM, Together, Fireworks.
    context_length: int | None = None
    #: Groq.
    context_window: int | None = None
    #: Of any shape: only those are read that are known to have the one that is wanted.
    pricing: object = None
    #: OpenRouter: a list of names.
    supported_parameters: object = None
    #: Mistral: an object of truths.
    capabilities: object = None
    #: llama-server.
    meta: _Meta | None = None
    architecture: _Architecture | None = None
    status: _Status | None = None


class _List(msgspec.Struct):
    data: list[_Entry] | None


@dataclass(frozen=True, slots=True)
class Listed:
    """One model of a list."""

    #: What the backend calls it.
    id: str
    #: What we call it: the same, but for files and folders of the backend's machine only their last part.
    name: str
    capabilities: frozenset[Capability]
    context: int | None = None
    residency: Residency = Residency.UNKNOWN
    price: Price | None = None


def read_list(data: bytes, prices: Prices | None = None) -> list[Listed]:
    """The models of a list that can be read, each once, with their prices if it is known how they are told.

    Raises:
        BackendError: it is no list of models.

    """
    try:
        # Together answers with the bare list.
        is_bare = data.lstrip()[:1] == b"["
        entries = read_mended(data, list[_Entry]) if is_bare else read_mended(data, _List).data or []
        if is_bare and not entries:
            message = "the list of models is a bare list of nothing"
            raise BackendError(message)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        message = f"the list of models cannot be read ({error}): {excerpt(data)}"
        raise BackendError(message) from error
    return list({entry.id: _listed(entry, prices) for entry in entries if _is_asked_in_words(entry)}.values())


def undeclared(name: str) -> Listed:
    """A model of which only the name is known."""
    return _listed(_Entry(name))


def _is_asked_in_words(entry: _Entry) -> bool:
    """Whether it is no model for pictures or sound, which providers list beside the others."""
    return entry.type not in _OTHERS


def _listed(entry: _Entry, prices: Prices | None = None) -> Listed:
    state = entry.status.value if entry.status else entry.state
    return Listed(
        id=entry.id,
        name=_name(entry.id),
        capabilities=_capabilities(entry),
        context=_context(entry),
        residency=_RESIDENCIES.get(state or "", Residency.UNKNOWN),
        price=_price(entry.pricing, prices) if prices is not None else None,
    )


def _name(model: str) -> str:
    """Make a name of an id: mlx_lm and llama-server list what they were started with, which may be a path."""
    if not _PATH.match(model):
        return model
    return model.replace("\\", "/").rstrip("/").rpartition("/")[2].removesuffix(".gguf") or model


def _context(entry: _Entry) -> int | None:
    """Tokens that fit; what is really served beats what the model was trained for."""
    known = (
        entry.meta.n_ctx if entry.meta else None,
        entry.loaded_context_length,
        entry.max_model_len,
        entry.context_length,
        entry.context_window,
        entry.max_context_length,
    )
    return next(filter(None, map(tokens, known)), None)


def _capabilities(entry: _Entry) -> frozenset[Capability]:
    if entry.type == "rerank" or (entry.type is None and _RERANKER.search(entry.id)):
        return frozenset({Capability.RERANK})
    if entry.type in _EMBEDDING_TYPES or (entry.type is None and _EMBEDDER.search(entry.id)):
        return frozenset({Capability.EMBEDDING})
    inputs = (entry.architecture.input_modalities if entry.architecture else None) or ()
    sees = entry.type == "vlm" or "image" in inputs or _says(entry.capabilities, "vision") is True
    can = _WRITER | {Capability.VISION} if sees else _WRITER
    return can - _lacks(entry)


def _lacks(entry: _Entry) -> frozenset[Capability]:
    """What a model is declared not to do."""
    named, lacks = entry.supported_parameters, set[Capability]()
    # An empty list is one that nobody filled in.
    if (isinstance(named, list) and named and "tools" not in named) or (
        _says(entry.capabilities, "function_calling") is False
    ):
        lacks.add(Capability.TOOLS)
    if _says(entry.capabilities, "completion_chat") is False:
        lacks |= {Capability.CHAT, Capability.TOOLS, Capability.JSON_SCHEMA}
    return frozenset(lacks)


def _says(capabilities: object, name: str) -> object:
    return capabilities.get(name) if isinstance(capabilities, dict) else None


def _price(pricing: object, prices: Prices) -> Price | None:
    """What tokens cost, in USD for each; ``None`` when it is not told, or is told to depend on the request (-1)."""
    if not isinstance(pricing, dict):
        return None
    try:
        prompt, completion = (float(pricing[key]) / prices.per for key in (prices.prompt, prices.completion))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return Price(prompt, completion) if 0 <= prompt < _DEAREST and 0 <= completion < _DEAREST else None
