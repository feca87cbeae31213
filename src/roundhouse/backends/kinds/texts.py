"""Requests of OpenAI's dialect for runtimes that take text only: one prompt, or texts to embed. Pure."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from roundhouse.core.errors import SchemaError


class Embedding(msgspec.Struct):
    """What is to be embedded, and how the numbers are wanted."""

    input: str | list[str]
    dimensions: int | None = None
    encoding_format: str | None = None

    @property
    def texts(self) -> list[str]:
        """One or several."""
        return [self.input] if isinstance(self.input, str) else self.input

    @property
    def in_text(self) -> bool:
        """Whether vectors are to come as base64."""
        return self.encoding_format == "base64"


_E = TypeVar("_E", bound=Embedding)


def read_embedding(body: bytes, shape: type[_E], who: str) -> _E:
    """What *body* asks *who* to embed. Raises SchemaError."""
    try:
        given = msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        message = f"the body is not what it should be, and {who} embeds text only: {error}"
        raise SchemaError(message) from error
    if not given.texts or not all(given.texts):
        message = "there is nothing to embed" if not given.texts else "an empty text cannot be embedded"
        raise SchemaError(message)
    return given


def one_prompt(raw: bytes, who: str) -> str:
    """The prompt of a completion by *who*, alone. Raises SchemaError, msgspec.DecodeError."""
    prompt = msgspec.json.decode(raw, type=str | list[str])
    if isinstance(prompt, list):
        if len(prompt) != 1:
            message = f"{who} completes one prompt at a time, not {len(prompt)}"
            raise SchemaError(message, hint="send one request for each prompt")
        prompt = prompt[0]
    if not prompt:
        message = "there is no prompt"
        raise SchemaError(message)
    return prompt
