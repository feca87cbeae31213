"""How large a context a request needs of LM Studio. Pure; knows nothing about what is in memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from roundhouse.backends.kinds.window import Reach, rounded, window_for
from roundhouse.core.inference import InferenceRequest, Operation


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
        """What *request* needs; of texts to embed that is what the longest needs."""
        profile = request.profile
        embeds = profile.operation is Operation.EMBEDDING
        return cls(profile.prompt_tokens, 0 if embeds else profile.max_tokens, embeds=embeds)

    def window(self, reach: Reach, loaded: int | None = None) -> int:
        """The context for it; the one that is *loaded* when that does. Raises SchemaError: it cannot fit."""
        if self.embeds:
            least = min(self.prompt, reach.served or self.prompt)
            return loaded if loaded is not None and loaded >= least else rounded(self.prompt, reach)
        window = window_for(self.prompt, self.answer, replace(reach, largest=reach.served, fixed=None), loaded)
        return window if window == loaded else rounded(window, reach)
