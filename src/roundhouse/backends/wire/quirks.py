"""What one provider does otherwise than OpenAI's dialect says, as data. Knows nothing about which provider.

Only what would otherwise fail, or silently mean something else, is written here: an unknown field goes through.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from roundhouse.backends.wire.fields import may_name

_messages = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Prices:
    """How the list of models tells what tokens cost."""

    #: The keys under ``pricing``.
    prompt: str
    completion: str
    #: Tokens that the numbers are for.
    per: float = 1.0


@dataclass(frozen=True, slots=True)
class Quirks:
    """One provider's."""

    #: Its address needs no ``/v1`` behind it.
    is_unversioned: bool = False
    #: Fields by the name that it knows them by; one that is there under both names keeps the provider's.
    renames: Mapping[str, str] = field(default_factory=dict)
    #: The models that this is about; ``None`` is all.
    renames_for: re.Pattern[str] | None = None
    #: Fields that it refuses, and that change nothing in the answer.
    drops: frozenset[str] = frozenset()
    #: The same for each message.
    drops_in_messages: frozenset[str] = frozenset()
    prices: Prices | None = None

    def suit(self, body: dict[str, msgspec.Raw], model: bytes) -> None:
        """Make *body* one that the provider takes; *model* is the JSON of its name there."""
        for name in self.drops:
            body.pop(name, None)
        if self.renames_for is None or self.renames_for.search(model.decode("utf-8", "replace")):
            for name, known in self.renames.items():
                if name in body:
                    body.setdefault(known, body.pop(name))
        if self.drops_in_messages and "messages" in body:
            body["messages"] = self._messages_of(body["messages"])

    def _messages_of(self, raw: msgspec.Raw) -> msgspec.Raw:
        if not may_name(bytes(raw), *(name.encode() for name in self.drops_in_messages)):
            return raw
        try:
            messages = _messages(raw)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return raw  # what is wrong with it is the provider's to say
        kept = [
            {name: value for name, value in each.items() if name not in self.drops_in_messages} for each in messages
        ]
        return msgspec.Raw(_encode(kept))


#: Nothing is otherwise.
PLAIN = Quirks()
