"""A whole answer as a stream, and a stream as a whole answer, in OpenAI's shapes. Knows nothing about caches.

Names of fields that nobody has told us about are carried along: text is joined, anything else is taken as it came last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from roundhouse.core.inference import Answer, Chunk, Operation

_COMPLETE = frozenset({"stop", "length", "tool_calls", "function_call"})
_Tree = dict[str, Any]  # JSON, read and written here alone


def is_complete(answer: Answer, operation: Operation) -> bool:
    """Whether every part of *answer* came to its own end."""
    try:
        tree = msgspec.json.decode(answer.data)
        if operation is Operation.EMBEDDING:
            return bool(tree["data"])
        if operation is Operation.RERANK:
            return bool(tree["results"])
        return bool(tree["choices"]) and all(choice["finish_reason"] in _COMPLETE for choice in tree["choices"])
    except (msgspec.DecodeError, LookupError, TypeError):
        return False


def in_pieces(answer: Answer, operation: Operation) -> list[Chunk] | None:
    """*answer* as the chunks that a stream would have brought; ``None`` when it has no shape that we know."""
    try:
        tree = msgspec.json.decode(answer.data)
        return list(_chunks(tree, answer, operation))
    except (msgspec.DecodeError, LookupError, TypeError, AttributeError):
        return None


def in_one(chunks: Sequence[Chunk], operation: Operation) -> Answer | None:
    """The answer that *chunks* are together; ``None`` when they have no known shape, or no end."""
    try:
        tree = _joined([msgspec.json.decode(chunk.data) for chunk in chunks], operation)
    except (msgspec.DecodeError, LookupError, TypeError, AttributeError):
        return None
    usage = next((chunk.usage for chunk in reversed(chunks) if chunk.usage is not None), None)
    answer = Answer(msgspec.json.encode(tree), usage)
    return answer if is_complete(answer, operation) else None


def _chunks(tree: _Tree, answer: Answer, operation: Operation) -> list[Chunk]:
    chat = operation is Operation.CHAT
    frame = {name: value for name, value in tree.items() if name not in {"choices", "usage"}}
    if chat:
        frame["object"] = "chat.completion.chunk"
    first, last = [], []
    for choice in tree["choices"]:
        begun = dict(choice)
        if chat:
            begun["delta"] = _delta(begun.pop("message"))
            first.append({**begun, "finish_reason": None})
            last.append({"index": choice["index"], "delta": {}, "finish_reason": choice["finish_reason"]})
        else:
            first.append({**begun, "finish_reason": None})
            last.append({"index": choice["index"], "text": "", "finish_reason": choice["finish_reason"]})
    encode = msgspec.json.encode
    chunks = [
        Chunk(encode({**frame, "choices": first}), visible=True),
        Chunk(encode({**frame, "choices": last}), final=True),
    ]
    if "usage" in tree or answer.usage is not None:
        usage = encode({**frame, "choices": [], "usage": tree.get("usage")})
        chunks.append(Chunk(usage, usage=answer.usage, usage_only=True))
    return chunks


def _delta(message: _Tree) -> _Tree:
    """A message as its first and only piece; calls of tools are counted in pieces."""
    delta = dict(message)
    if calls := delta.get("tool_calls"):
        delta["tool_calls"] = [{"index": number, **call} for number, call in enumerate(calls)]
    return delta


def _joined(events: Sequence[_Tree], operation: Operation) -> _Tree:
    """All events in one object."""
    tree: _Tree = {}
    choices: dict[int, _Tree] = {}
    for event in events:
        for name, value in event.items():
            if name not in {"choices", "usage"} or (name == "usage" and value is not None):
                tree[name] = value
        for piece in event.get("choices", ()):
            _join(choices.setdefault(piece["index"], {}), piece)
    if operation is Operation.CHAT:
        tree["object"] = "chat.completion"
        for choice in choices.values():
            choice["message"] = _message(choice.pop("delta"))
    tree["choices"] = [choices[index] for index in sorted(choices)]
    return tree


def _message(delta: _Tree) -> _Tree:
    message = {"role": "assistant", "content": None, **delta}
    if calls := message.get("tool_calls"):
        message["tool_calls"] = [{name: value for name, value in call.items() if name != "index"} for call in calls]
    return message


#: Said once, or again with every piece: never to be joined.
_NAMES = frozenset({"role", "id", "type", "name", "finish_reason"})


def _join(whole: _Tree, piece: _Tree) -> None:
    """Add a piece to what was there of it."""
    for name, value in piece.items():
        known = whole.get(name)
        if value is None:
            whole.setdefault(name, None)
        elif isinstance(value, str) and isinstance(known, str) and name not in _NAMES:
            whole[name] = known + value
        elif isinstance(value, dict):
            whole[name] = known if isinstance(known, dict) else {}
            _join(whole[name], value)
        elif isinstance(value, list) and name == "tool_calls":
            whole[name] = known or []
            _join_calls(whole[name], value)
        elif isinstance(value, list) and isinstance(known, list):
            whole[name] = known + value
        elif value != "" or known is None:
            whole[name] = value


def _join_calls(calls: list[_Tree], pieces: Sequence[_Tree]) -> None:
    for piece in pieces:
        call = next((each for each in calls if each["index"] == piece["index"]), None)
        if call is None:
            calls.append(call := {"index": piece["index"]})
        _join(call, piece)
