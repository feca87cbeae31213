"""Which models Google lists, and what may be believed of them. Pure.

The list tells methods, limits and whether a model thinks. What it sees and calls it does not tell: a Gemini sees and
calls tools, but for those made to draw or to speak; a Gemma is only believed to chat.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from roundhouse.backends.kinds.gemini.messages import Hearer
from roundhouse.backends.kinds.gemini.thinking import Thinker
from roundhouse.backends.wire.figures import tokens
from roundhouse.core.inference import Capability, Deployment
from roundhouse.core.runtimes import Traits

_CHATTER = frozenset({Capability.CHAT, Capability.COMPLETION})
_GEMINI = _CHATTER | {Capability.TOOLS, Capability.JSON_SCHEMA, Capability.VISION}
_EMBEDDER = frozenset({Capability.EMBEDDING})
_EMBEDS = ("batchEmbedContents", "embedContent")
#: Answers with sound, which nobody here could hear.
_SPEAKER = re.compile(r"-tts(?:-|$)|native-audio")
_PAINTER = re.compile(r"-image(?:-|$)")
_EMBEDDING_NAME = re.compile(r"embedding")


class Listed(msgspec.Struct, rename="camel"):
    """One model of the list."""

    #: ``models/…`` or ``tunedModels/…``.
    name: str
    input_token_limit: int | None = None
    supported_generation_methods: list[str] = []
    thinking: bool | None = None

    @property
    def model(self) -> str:
        """The name without what all have before it."""
        return self.name.removeprefix("models/")

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can be asked for here; empty when that is nothing."""
        if "generateContent" not in self.supported_generation_methods:
            return _EMBEDDER if any(each in self.supported_generation_methods for each in _EMBEDS) else frozenset()
        if _SPEAKER.search(self.name):
            return frozenset()
        return _of_name(self.model) | ({Capability.THINKING} if self.thinking else frozenset())


class Page(msgspec.Struct, rename="camel"):
    """A part of the list; what is empty is left out."""

    models: list[Listed] = []
    next_page_token: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """What a request for a model has to heed."""

    thinker: Thinker
    hearer: Hearer


def known(model: str, *, thinks: bool | None = None) -> Known:
    """What the name of a model tells, and the list if somebody asked for it."""
    thinker = Thinker.named(model, thinks=thinks)
    is_gemma = "gemma" in model
    return Known(thinker, Hearer(hears_system=not is_gemma, wants_signatures=thinker.has_levels and not is_gemma))


def deployments_of(listed: Sequence[Listed], backend: str, wanted: Sequence[str], *, local: bool) -> list[Deployment]:
    """What can be asked for; when somebody named models, those, with what the list says about them."""
    usable = {each.model: each for each in listed if each.capabilities}
    if not wanted:
        return [_deployment(backend, name, each, local=local) for name, each in usable.items()]
    names = [name.removeprefix("models/") for name in wanted]
    return [_deployment(backend, name, usable.get(name), local=local) for name in names]


def _deployment(backend: str, name: str, listed: Listed | None, *, local: bool) -> Deployment:
    context = tokens(listed.input_token_limit) if listed is not None else None
    return Deployment(
        backend=backend,
        model=name,
        upstream=name,
        capabilities=_of_name(name) if listed is None else listed.capabilities,
        context=context,
        local=local,
        traits=Traits(context_max=context, family=name.partition("-")[0] if "/" not in name else None),
    )


def _of_name(name: str) -> frozenset[Capability]:
    if _EMBEDDING_NAME.search(name):
        return _EMBEDDER
    if name.startswith("gemma"):
        return _CHATTER
    return _CHATTER | {Capability.VISION} if _PAINTER.search(name) else _GEMINI
