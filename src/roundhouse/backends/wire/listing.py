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
from roundhouse.core.errors import BackendError
from roundhouse.core.inference import Capability, Residency

_EMBEDDER = re.compile(
    r"(?i)embed|(?:^|[/_-])(?:bge|e5|gte|minilm|mxbai|arctic-em|sbert|jina-(?:clip|col))(?:[/_\-:.]|$)"
)
_RERANKER = re.compile(r"(?i)re-?rank")
_PATH = re.compile(r"(?:[.~]{0,2}[/\\]|[A-Za-z]:[/\\])|.*\.gguf$")
_WRITER = frozenset({Capability.CHAT, Capability.COMPLETION, Capability.TOOLS, Capability.JSON_SCHEMA})
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
    #: OpenRouter, LiteLLM.
    context_length: int | None = None
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


def read_list(data: bytes) -> list[Listed]:
    """The models of a list, each once.

    Raises:
        BackendError: it is no list of models.

    """
    try:
        entries = msgspec.json.decode(data, type=_List).data or []
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        message = f"the list of models cannot be read ({error}): {excerpt(data)}"
        raise BackendError(message) from error
    return list({entry.id: _listed(entry) for entry in entries}.values())


def undeclared(name: str) -> Listed:
    """A model of which only the name is known."""
    return _listed(_Entry(name))


def _listed(entry: _Entry) -> Listed:
    state = entry.status.value if entry.status else entry.state
    return Listed(
        id=entry.id,
        name=_name(entry.id),
        capabilities=_capabilities(entry),
        context=_context(entry),
        residency=_RESIDENCIES.get(state or "", Residency.UNKNOWN),
    )


def _name(model: str) -> str:
    """Make a name of an id: mlx_lm and llama-server list what they were started with, which may be a path."""
    if not _PATH.match(model):
        return model
    return model.replace("\\", "/").rstrip("/").rpartition("/")[2].removesuffix(".gguf") or model


def _context(entry: _Entry) -> int | None:
    """Tokens that fit; what is really served beats what the model was trained for."""
    served = entry.meta.n_ctx if entry.meta else None
    known = (served, entry.loaded_context_length, entry.max_model_len, entry.context_length, entry.max_context_length)
    return next((tokens for tokens in known if tokens), None)


def _capabilities(entry: _Entry) -> frozenset[Capability]:
    if entry.type is None and _RERANKER.search(entry.id):
        return frozenset({Capability.RERANK})
    if entry.type == "embeddings" or (entry.type is None and _EMBEDDER.search(entry.id)):
        return frozenset({Capability.EMBEDDING})
    inputs = (entry.architecture.input_modalities if entry.architecture else None) or ()
    if entry.type == "vlm" or "image" in inputs:
        return _WRITER | {Capability.VISION}
    return _WRITER
