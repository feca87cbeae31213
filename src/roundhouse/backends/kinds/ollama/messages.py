"""The messages of a chat as Ollama's own API must get them. Pure.

Differences: one text instead of parts, pictures beside it as bare base64, arguments of tools as objects instead of
text, and the result of a tool names the tool rather than the call.
"""

from __future__ import annotations

import base64
import binascii

import msgspec

from roundhouse.core.errors import SchemaError


class _Image(msgspec.Struct):
    url: str


class _Part(msgspec.Struct):
    type: str
    text: str = ""
    image_url: _Image | str | None = None


class _Function(msgspec.Struct):
    name: str
    arguments: msgspec.Raw = msgspec.Raw(b"{}")


class _Call(msgspec.Struct):
    function: _Function
    id: str | None = None


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Part] | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None
    name: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    thinking: str | None = None


_messages = msgspec.json.Decoder(list[_Message]).decode
_ROLES = {"developer": "system", "function": "tool"}


def messages_of(given: msgspec.Raw | None) -> list[dict[str, object]]:
    """The same messages. Raises SchemaError, msgspec.DecodeError."""
    messages = _messages(given) if given is not None else []
    if not messages:
        # Ollama would load the model and say nothing.
        message = "there are no messages"
        raise SchemaError(message)
    #: Which tool each call was of, for the results that only name the call.
    called: dict[str, str] = {}
    return [_message(each, called) for each in messages]


def _message(given: _Message, called: dict[str, str]) -> dict[str, object]:
    text, images = _taken_apart(given.content)
    made: dict[str, object] = {"role": _ROLES.get(given.role, given.role), "content": text}
    if images:
        made["images"] = images
    thought = given.reasoning_content or given.reasoning or given.thinking
    if thought:
        made["thinking"] = thought
    if given.tool_calls:
        made["tool_calls"] = [_call(each, called) for each in given.tool_calls]
    if made["role"] == "tool":
        name = given.name or called.get(given.tool_call_id or "")
        made |= {"tool_name": name} if name else {}
        made |= {"tool_call_id": given.tool_call_id} if given.tool_call_id else {}
    return made


def _call(given: _Call, called: dict[str, str]) -> dict[str, object]:
    call: dict[str, object] = {
        "function": {"name": given.function.name, "arguments": _arguments(given.function.arguments)}
    }
    if given.id:
        called[given.id] = given.function.name
        call["id"] = given.id
    return call


def _arguments(given: msgspec.Raw) -> msgspec.Raw:
    """The object that OpenAI writes as text; what a model wrote badly is no object, and the client should know."""
    text = bytes(given)
    if text.startswith(b'"'):
        text = msgspec.json.decode(text, type=str).strip().encode() or b"{}"
    msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    return msgspec.Raw(text)


def _taken_apart(content: str | list[_Part] | None) -> tuple[str, list[str]]:
    """The text, and the pictures as base64."""
    if not isinstance(content, list):
        return content or "", []
    texts, images = [], []
    for part in content:
        if part.type in ("text", "input_text"):
            texts.append(part.text)
        elif part.type in ("image_url", "input_image") and part.image_url is not None:
            images.append(_picture(part.image_url if isinstance(part.image_url, str) else part.image_url.url))
        else:
            message = f"Ollama takes text and pictures, not {part.type!r}"
            raise SchemaError(message)
    return "\n".join(texts), images


def _picture(address: str) -> str:
    head, comma, data = address.partition(",")
    if not head.startswith("data:") or not comma:
        message = "a picture must be in the request itself (data:image/…;base64,…): Roundhouse fetches none"
        raise SchemaError(message)
    if not head.endswith(";base64"):
        message = "a picture must be in base64 (data:image/…;base64,…)"
        raise SchemaError(message)
    try:
        base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        message = f"a picture is not base64: {error}"
        raise SchemaError(message) from error
    return data
