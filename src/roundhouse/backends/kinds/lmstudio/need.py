"""How large a context a request needs of LM Studio. Pure; knows nothing about what is in memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import msgspec

from roundhouse.backends.kinds.window import Reach, rounded, window_for
from roundhouse.core.inference import InferenceRequest, Operation

#: Tokens that hardly any model cannot hold.
_FEW = 512


class _Texts(msgspec.Struct):
    input: str | list[str]


@dataclass(frozen=True, slots=True)
class Need:
    """Tokens that must fit."""

    prompt: int
    #: Tokens of the answer; ``None`` is as many as it likes.
    answer: int | None = None
    #: Texts to embed: each is read for itself, and one that is too long is LM Studio's to refuse.
    embeds: bool = False

    @classmethod
    def of(cls, request: InferenceRequest) -> Self:
        """What *request* needs; the texts of one that embeds are looked at when together they are many."""
        profile = request.profile
        if profile.operation is not Operation.EMBEDDING:
            return cls(profile.prompt_tokens, profile.max_tokens)
        prompt = profile.prompt_tokens
        return cls(prompt if prompt <= _FEW else _longest(request.body, prompt), 0, embeds=True)

    def window(self, reach: Reach, loaded: int | None = None) -> int:
        """The context for it; the one that is *loaded* when that does. Raises SchemaError: it cannot fit."""
        if self.embeds:
            does = loaded is not None and loaded >= min(self.prompt, reach.served or self.prompt)
            return loaded if does and loaded is not None else rounded(self.prompt, reach)
        window = window_for(self.prompt, self.answer, replace(reach, largest=reach.served, fixed=None), loaded)
        return window if window == loaded else rounded(window, reach)


def _longest(body: bytes, prompt: int) -> int:
    """The share of the longest text in *prompt* tokens."""
    try:
        texts = msgspec.json.decode(body, type=_Texts).input
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return prompt
    lengths = [len(text) for text in texts] if isinstance(texts, list) else []
    return prompt * max(lengths) // max(sum(lengths), 1) + 1 if lengths else prompt
