"""What a model can do at llama.cpp, told from its headers without loading it. Pure; knows nothing about files.

llama.cpp finds out by rendering the chat template; a template from elsewhere is not run in this process, only read.
"""

from __future__ import annotations

from collections.abc import Mapping

from roundhouse.backends.wire.templates import read_template
from roundhouse.core.inference import Capability
from roundhouse.library.gguf import Scalar

#: Goes up with every change of the rules here, for those who keep what they said.
RULES = 1

#: Architectures that only read: they embed and do nothing else.
_READERS = frozenset(
    {"bert", "modern-bert", "neo-bert", "eurobert", "nomic-bert", "nomic-bert-moe", "gemma-embedding", "t5encoder"}
    | {"jina-bert-v2", "jina-bert-v3"}
)
#: How llama.cpp numbers the ways to make one embedding of many: 0 is none, 1 to 3 embed, 4 scores.
_EMBEDS, _RANKS = frozenset({1, 2, 3}), 4
_WRITER = frozenset({Capability.COMPLETION, Capability.EMBEDDING})
# Any chat model can be held to a grammar: llama.cpp only lets it say what fits.
_TALKER = _WRITER | {Capability.CHAT, Capability.JSON_SCHEMA}
_TEMPLATE = "tokenizer.chat_template"


def guess(architecture: str | None, *, has_chat_template: bool) -> frozenset[Capability]:
    """What a model can do, as far as can be told without its header."""
    if architecture in _READERS:
        return frozenset({Capability.EMBEDDING})
    # Without a chat template it cannot know where a turn ends.
    return _TALKER if has_chat_template else _WRITER


def abilities_of(model: Mapping[str, Scalar], projector: Mapping[str, Scalar] | None) -> frozenset[Capability]:
    """What a model can do whose header says *model*, with the projector beside it, if there is one."""
    architecture = model.get("general.architecture")
    pooling = model.get(f"{architecture}.pooling_type")
    if pooling == _RANKS:
        return frozenset({Capability.RERANK})
    if pooling in _EMBEDS:
        return frozenset({Capability.EMBEDDING})
    template = model.get(_TEMPLATE)
    can = guess(str(architecture), has_chat_template=bool(template))
    if Capability.CHAT not in can:
        return can
    return can | _said_by(str(template), model) | _seen_by(projector)


def _said_by(template: str, model: Mapping[str, Scalar]) -> frozenset[Capability]:
    """What the chat template makes of a model."""
    said = read_template(template)
    tools = {Capability.TOOLS} if said.takes_tools or f"{_TEMPLATE}.tool_use" in model else set()
    return frozenset(tools | ({Capability.THINKING} if said.thinks else set()))


def _seen_by(projector: Mapping[str, Scalar] | None) -> frozenset[Capability]:
    """What a projector adds: some only hear."""
    sees = projector is not None and projector.get("clip.has_vision_encoder") is True
    return frozenset({Capability.VISION} if sees else ())
