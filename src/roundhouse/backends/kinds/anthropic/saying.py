"""What the Messages API says, as OpenAI's answers. Pure; knows nothing about HTTP. Streams are in ``telling``.

Traps: tokens from and for the prompt cache are not in ``input_tokens``; thoughts are signed and must come back as they
were; blocks and reasons that are new next month are no error.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from roundhouse.backends.kinds.anthropic.failures import error_of, not_understood
from roundhouse.backends.kinds.anthropic.parts import is_given
from roundhouse.backends.kinds.anthropic.tools import ANSWER_TOOL
from roundhouse.backends.wire.failures import excerpt
from roundhouse.core.errors import BackendError
from roundhouse.core.inference import Answer, TokenUsage

_encode = msgspec.json.Encoder().encode
_NOTHING = msgspec.Raw()
_EMPTY = (b"", b"null", b"{}")
_REASONS = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class _Kind(msgspec.Struct, gc=False):
    type: str = ""


class _Details(msgspec.Struct, gc=False):
    thinking_tokens: int | None = None


class Usage(msgspec.Struct, gc=False):
    """Tokens as Anthropic counts them."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: _Details | None = None

    def grown(self, later: Usage) -> Usage:
        """The same after what was said later: all counts are of the whole answer so far, and some are left out."""
        return Usage(
            input_tokens=max(self.input_tokens or 0, later.input_tokens or 0),
            output_tokens=max(self.output_tokens or 0, later.output_tokens or 0),
            cache_read_input_tokens=max(self.cache_read_input_tokens or 0, later.cache_read_input_tokens or 0),
            cache_creation_input_tokens=max(
                self.cache_creation_input_tokens or 0, later.cache_creation_input_tokens or 0
            ),
            output_tokens_details=later.output_tokens_details or self.output_tokens_details,
        )

    @property
    def tokens(self) -> TokenUsage:
        """In our words: what was cached is part of the prompt."""
        cached = self.cache_read_input_tokens or 0
        prompt = (self.input_tokens or 0) + cached + (self.cache_creation_input_tokens or 0)
        return TokenUsage(prompt, self.output_tokens or 0, cached)

    @property
    def listed(self) -> dict[str, object]:
        """In OpenAI's."""
        tokens, written = self.tokens, self.cache_creation_input_tokens or 0
        thought = (self.output_tokens_details.thinking_tokens if self.output_tokens_details else None) or 0
        return {
            "prompt_tokens": tokens.prompt,
            "completion_tokens": tokens.completion,
            "total_tokens": tokens.prompt + tokens.completion,
            "prompt_tokens_details": {"cached_tokens": tokens.cached, "cache_write_tokens": written},
            "completion_tokens_details": {"reasoning_tokens": thought},
        }


class Block(msgspec.Struct, gc=False):
    """One block of content that is for the client; of others only the type is read."""

    type: str
    text: str = ""
    thinking: str = ""
    signature: str = ""
    data: str = ""
    id: str = ""
    name: str = ""
    input: msgspec.Raw = _NOTHING


class StopDetails(msgspec.Struct, gc=False):
    """Why it refused."""

    explanation: str | None = None


class _Whole(msgspec.Struct, gc=False):
    content: list[msgspec.Raw] | None = None
    stop_reason: str | None = None
    stop_details: StopDetails | None = None
    usage: Usage | None = None
    error: msgspec.Raw = _NOTHING


_kind = msgspec.json.Decoder(_Kind).decode
_block = msgspec.json.Decoder(Block).decode
_whole = msgspec.json.Decoder(_Whole).decode
_KNOWN = frozenset({"text", "thinking", "redacted_thinking", "tool_use"})


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around everything that is said in answer to one request."""

    request: str
    model: str
    created: int
    #: Whether the answer is what a tool was called with.
    by_tool: bool = False

    def head(self, kind: str) -> dict[str, object]:
        """What each object begins with."""
        return {"id": f"chatcmpl-{self.request}", "object": kind, "created": self.created, "model": self.model}

    def is_answer(self, block: Block) -> bool:
        """Whether *block* is a call of the tool that is the answer itself."""
        return self.by_tool and block.name == ANSWER_TOOL


def whole_answer(data: bytes, frame: Frame) -> Answer:
    """A whole answer. Raises RoundhouseError: it is an error under a friendly status, or no answer."""
    try:
        whole = _whole(data)
        blocks = [block for raw in whole.content or () if (block := read_block(raw)) is not None]
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise not_understood(data, error) from error
    if is_given(whole.error):
        raise error_of(data)
    if whole.content is None:
        message = f"the answer has no content: {excerpt(data)}"
        raise BackendError(message)
    usage = whole.usage or Usage()
    message_ = _message(blocks, frame)
    if whole.stop_details is not None and whole.stop_details.explanation:
        message_["refusal"] = whole.stop_details.explanation
    reason = reason_of(whole.stop_reason, called="tool_calls" in message_)
    choice = {"index": 0, "message": message_, "logprobs": None, "finish_reason": reason}
    body = {**frame.head("chat.completion"), "choices": [choice], "usage": usage.listed}
    return Answer(_encode(body), usage=usage.tokens)


def read_block(raw: msgspec.Raw) -> Block | None:
    """A block that is for the client; ``None`` for any other. Raises msgspec.DecodeError."""
    return _block(raw) if _kind(raw).type in _KNOWN else None


def reason_of(stop: str | None, *, called: bool) -> str:
    """Why it ended, in OpenAI's words; *called* is whether a tool of the client was."""
    reason = _REASONS.get(stop or "", "stop")
    return "stop" if reason == "tool_calls" and not called else reason


def thoughts_of(blocks: list[Block]) -> list[dict[str, object]]:
    """Thoughts as they must be sent back; those that are not signed need not be."""
    return [
        {"type": block.type, "data": block.data}
        if block.type == "redacted_thinking"
        else {"type": block.type, "thinking": block.thinking, "signature": block.signature}
        for block in blocks
        if block.signature or block.data
    ]


def input_of(raw: msgspec.Raw) -> str:
    """What a tool is called with, as text; nothing is an empty object. Raises BackendError."""
    data = bytes(raw)
    try:
        return "{}" if data in _EMPTY else data.decode()
    except UnicodeDecodeError as error:  # nobody has looked into it before
        raise not_understood(data, error) from error


def _message(blocks: list[Block], frame: Frame) -> dict[str, object]:
    texts, thoughts, calls = [], [], []
    for block in blocks:
        if block.type == "text":
            texts.append(block.text)
        elif block.type != "tool_use":
            thoughts.append(block)
        elif frame.is_answer(block):
            texts.append(input_of(block.input))
        else:
            function = {"name": block.name, "arguments": input_of(block.input)}
            calls.append({"id": block.id, "type": "function", "function": function})
    message: dict[str, object] = {"role": "assistant", "content": "".join(texts) or (None if calls else "")}
    if thoughts:
        message["reasoning_content"] = "".join(block.thinking for block in thoughts)
        message["thinking_blocks"] = thoughts_of(thoughts)
    if calls:
        message["tool_calls"] = calls
    return message
