"""What stands around everything that is said in answer to one request, in OpenAI's shape. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from roundhouse.core.inference import Operation

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Frame:
    """One request, as its answers name it."""

    request: str
    model: str
    created: int
    operation: Operation = Operation.CHAT
    #: How many answers were asked for.
    count: int = 1

    @property
    def is_chat(self) -> bool:
        """Whether messages are answered, not a text gone on with."""
        return self.operation is Operation.CHAT

    def whole(self, choices: list[dict[str, object]], usage: dict[str, object]) -> bytes:
        """The bytes of a whole answer."""
        return self._around("chat.completion" if self.is_chat else "text_completion", choices=choices, usage=usage)

    def chunk(self, choices: list[dict[str, object]], **fields: object) -> bytes:
        """The bytes of one chunk."""
        kind = "chat.completion.chunk" if self.is_chat else "text_completion"
        return self._around(kind, choices=choices, **fields)

    def _around(self, kind: str, **fields: object) -> bytes:
        prefix = "chatcmpl" if self.is_chat else "cmpl"
        head = {"id": f"{prefix}-{self.request}", "object": kind, "created": self.created, "model": self.model}
        return _encode({**head, **fields})
