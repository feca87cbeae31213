"""The messages of a chat as turns of Anthropic's API. Pure.

Differences: what the system says stands apart, wherever it was said; results of tools are the user's and come first in
that turn; turns of one speaker are one; the arguments of a tool are an object; and what the model thought comes back to
it, signed, in ``thinking_blocks``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import msgspec

from roundhouse.backends.kinds.anthropic.parts import Block, Part, blocks_of, is_given, marked
from roundhouse.core.errors import SchemaError

_NOTHING = msgspec.Raw()
#: What an id of a call may not hold; other providers' ids do.
_ODD = re.compile(r"[^a-zA-Z0-9_-]")


class _Function(msgspec.Struct):
    name: str
    arguments: msgspec.Raw = msgspec.Raw(b"{}")


class _Call(msgspec.Struct):
    function: _Function
    id: str


class _Thought(msgspec.Struct):
    type: str
    thinking: str = ""
    signature: str | None = None
    data: str | None = None


class _Message(msgspec.Struct):
    role: str
    content: str | list[Part] | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None
    thinking_blocks: list[_Thought] | None = None
    cache_control: msgspec.Raw = _NOTHING


class _Turn(msgspec.Struct):
    role: str
    content: list[Block]


_messages = msgspec.json.Decoder(list[_Message]).decode


@dataclass(slots=True)
class Conversation:
    """All that was said."""

    system: list[Block] = field(default_factory=list)
    turns: list[_Turn] = field(default_factory=list)
    #: Tools that were called.
    called: dict[str, None] = field(default_factory=dict)

    @property
    def lost_its_thoughts(self) -> bool:
        """Whether it goes on after a call of a tool whose thoughts were not sent back."""
        if len(self.turns) < 2:  # noqa: PLR2004 - the call, and its result
            return False
        call, result = self.turns[-2].content[0], self.turns[-1].content[0]
        return result["type"] == "tool_result" and call["type"] not in {"thinking", "redacted_thinking"}

    @property
    def is_marked(self) -> bool:
        """Whether the client set breakpoints of the prompt cache itself."""
        turns = (block for turn in self.turns for block in turn.content)
        return any("cache_control" in block for blocks in (self.system, turns) for block in blocks)

    def add(self, role: str, blocks: list[Block]) -> None:
        """Say something more."""
        if not blocks:
            return
        if self.turns and self.turns[-1].role == role:
            self.turns[-1].content += blocks
        else:
            self.turns.append(_Turn(role, blocks))


def conversation_of(given: msgspec.Raw | None) -> Conversation:
    """What *given* (OpenAI's ``messages``) says. Raises SchemaError, msgspec.DecodeError."""
    found = Conversation()
    for each in _messages(given) if given is not None else ():
        _add(found, each)
    if not found.turns:
        message = "messages: there are none that say anything"
        raise SchemaError(message)
    for turn in found.turns:
        if turn.role == "user" and len(turn.content) > 1:
            turn.content.sort(key=_comes_later)
    _trim(found.turns[-1])
    return found


def _add(found: Conversation, message: _Message) -> None:
    if message.role == "assistant":
        found.add("assistant", _said(message, found))
    elif message.role == "tool":
        found.add("user", [_result(message)])
    elif message.role == "user":
        found.add("user", _ending(blocks_of(message.content), message))
    elif message.role in {"system", "developer"}:
        found.system += _ending(blocks_of(message.content), message)
    else:
        text = f"messages: Anthropic knows no role {message.role!r}"
        raise SchemaError(text, hint="calls and results of tools are tool_calls and the role tool")


def _ending(blocks: list[Block], message: _Message) -> list[Block]:
    """*blocks*; a breakpoint on the whole message is one on its last block."""
    if blocks:
        marked(blocks[-1], message.cache_control)
    return blocks


def _said(message: _Message, found: Conversation) -> list[Block]:
    thoughts = [block for each in message.thinking_blocks or () if (block := _thought(each)) is not None]
    blocks = thoughts + blocks_of(message.content or message.refusal)
    for call in message.tool_calls or ():
        found.called[call.function.name] = None
        blocks.append(
            {"type": "tool_use", "id": _id(call.id), "name": call.function.name, "input": _input(call.function)}
        )
    if len(blocks) > len(thoughts):
        _ending(blocks, message)
    return blocks


def _thought(given: _Thought) -> Block | None:
    """A thought that it signed; any other it would refuse, and was somebody else's."""
    if given.type == "thinking" and given.signature:
        return {"type": "thinking", "thinking": given.thinking, "signature": given.signature}
    if given.type == "redacted_thinking" and given.data:
        return {"type": "redacted_thinking", "data": given.data}
    return None


def _result(message: _Message) -> Block:
    if not message.tool_call_id:
        text = "messages: the result of a tool needs the tool_call_id that it is the result of"
        raise SchemaError(text)
    result: Block = {"type": "tool_result", "tool_use_id": _id(message.tool_call_id)}
    blocks = blocks_of(message.content)
    mark = message.cache_control
    for block in blocks:
        inner = block.pop("cache_control", None)
        mark = inner if isinstance(inner, msgspec.Raw) and not is_given(mark) else mark
    if blocks:
        result["content"] = blocks
    return marked(result, mark)


def _id(given: str) -> str:
    return _ODD.sub("_", given) or "_"


def _input(function: _Function) -> msgspec.Raw:
    """The object that OpenAI writes as text."""
    text = bytes(function.arguments)
    if text.startswith(b'"'):
        text = msgspec.json.decode(text, type=str).strip().encode() or b"{}"
    try:
        msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError as error:
        message = f"messages: the arguments of a call of {function.name} are no object: {error}"
        raise SchemaError(message) from error
    return msgspec.Raw(text)


def _comes_later(block: Block) -> bool:
    return block["type"] != "tool_result"


def _trim(turn: _Turn) -> None:
    """A text that the model is to go on with may not end in white space."""
    last = turn.content[-1]
    if turn.role == "assistant" and isinstance(text := last.get("text"), str):
        last["text"] = text.rstrip()
