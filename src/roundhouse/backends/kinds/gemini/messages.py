"""The messages of a chat as Google's API must get them. Pure; knows nothing about HTTP.

Differences: two roles instead of five, with system messages beside them; a list of parts instead of text; arguments
and results of tools as objects; and a signature on what the model said, which it wants to see again
(``extra_content.google.thought_signature``, where Google's own OpenAI dialect has it).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from roundhouse.backends.kinds.gemini.media import Address, File, Sound, of_address, of_file, of_sound
from roundhouse.core.errors import SchemaError

#: What Google takes in the place of a signature that somebody lost on the way; newer models refuse calls without.
_NO_SIGNATURE = "skip_thought_signature_validator"
_TEXTS = ("text", "input_text", "output_text", "refusal")

Part = dict[str, object]


class _Google(msgspec.Struct):
    thought_signature: str | None = None


class _Extra(msgspec.Struct):
    google: _Google | None = None


class _Part(msgspec.Struct):
    type: str
    text: str = ""
    refusal: str = ""
    image_url: Address | str | None = None
    video_url: Address | str | None = None
    input_audio: Sound | None = None
    file: File | None = None


class _Function(msgspec.Struct):
    name: str
    arguments: msgspec.Raw = msgspec.Raw(b"{}")


class _Call(msgspec.Struct):
    #: Absent in tools that take text instead of arguments, for which Google has no word.
    function: _Function
    id: str | None = None
    extra_content: _Extra | None = None


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Part] | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None
    name: str | None = None
    extra_content: _Extra | None = None


_messages = msgspec.json.Decoder(list[_Message]).decode
_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(frozen=True, slots=True)
class Hearer:
    """What a model understands."""

    #: False for Gemma, which has no word for system messages.
    hears_system: bool = True
    #: Whether it refuses calls of tools without a signature.
    wants_signatures: bool = False


@dataclass(slots=True)
class Talk:
    """A conversation in Google's words."""

    system: list[Part] = field(default_factory=list)
    contents: list[dict[str, object]] = field(default_factory=list)
    #: Which tool each call was of, for the results that only name the call.
    called: dict[str, str] = field(default_factory=dict)
    _parts: list[Part] = field(default_factory=list)

    def say(self, role: str, parts: list[Part]) -> None:
        """Add *parts*; one content for all that the same role says in a row, as results of parallel calls must be."""
        if not parts:  # an empty content is refused
            return
        if not self.contents or self.contents[-1]["role"] != role:
            self._parts = []
            self.contents.append({"role": role, "parts": self._parts})
        self._parts += parts


def talk_of(given: msgspec.Raw | None, hearer: Hearer) -> Talk:
    """The same conversation. Raises SchemaError, msgspec.DecodeError."""
    talk = Talk()
    for message in _messages(given) if given is not None else ():
        _add(talk, message, hearer)
    if not hearer.hears_system or not talk.contents:
        # Somebody has to have said something.
        contents = talk.contents
        talk.contents = []
        talk.say("user", talk.system)
        for content in contents:
            talk.say(str(content["role"]), content["parts"])  # type: ignore[arg-type]  # made above
        talk.system = []
    if not talk.contents:
        refused = "there are no messages"
        raise SchemaError(refused)
    return talk


def _add(talk: Talk, message: _Message, hearer: Hearer) -> None:
    role = message.role
    if role in ("system", "developer"):
        talk.system += _parts(message.content)
    elif role == "user":
        talk.say("user", _parts(message.content))
    elif role == "assistant":
        talk.say("model", _said(talk, message, hearer))
    elif role in ("tool", "function"):
        talk.say("user", _result(talk, message))
    else:
        refused = f"Gemini knows nobody who is {role!r}"
        raise SchemaError(refused)


def _said(talk: Talk, message: _Message, hearer: Hearer) -> list[Part]:
    """What the model said and called; its thoughts are in the signatures, so their text stays here."""
    parts = _parts(message.content)
    if not parts and message.refusal:
        parts = [{"text": message.refusal}]
    signature = _signature(message.extra_content)
    if parts and signature is not None:
        parts[-1] = {**parts[-1], "thoughtSignature": signature}
    for number, call in enumerate(message.tool_calls or ()):
        made: Part = {"name": call.function.name, "args": _arguments(call.function.arguments)}
        if call.id:
            talk.called[call.id] = call.function.name
            made["id"] = call.id
        part: Part = {"functionCall": made}
        signature = _signature(call.extra_content)
        if signature is None and hearer.wants_signatures and number == 0:
            signature = _NO_SIGNATURE
        parts.append(part if signature is None else {**part, "thoughtSignature": signature})
    return parts


def _result(talk: Talk, message: _Message) -> list[Part]:
    """What a tool gave back: an object, or its text as one; pictures after it."""
    name = message.name or talk.called.get(message.tool_call_id or "")
    if not name:
        refused = f"the result of a tool names the call {message.tool_call_id!r}, which nobody made"
        raise SchemaError(refused)
    parts = _parts(message.content)
    texts = [str(part["text"]) for part in parts if "text" in part]
    response: Part = {"name": name, "response": _response("\n".join(texts))}
    if message.tool_call_id:
        response["id"] = message.tool_call_id
    return [{"functionResponse": response}, *(part for part in parts if "text" not in part)]


def _response(text: str) -> object:
    if text.lstrip().startswith("{"):
        try:
            return _object(text)
        except (msgspec.DecodeError, RecursionError):
            pass  # text that only looks like an object
    return {"output": text}


def _parts(content: str | list[_Part] | None) -> list[Part]:
    """The parts of one message; an empty text is none, because it is refused."""
    if isinstance(content, str):
        return [{"text": content}] if content else []
    return [made for part in content or () for made in _part(part)]


def _part(part: _Part) -> list[Part]:
    if part.type in _TEXTS:
        text = part.text or part.refusal
        return [{"text": text}] if text else []
    address = part.image_url if part.image_url is not None else part.video_url
    if address is not None:
        return [of_address(address if isinstance(address, str) else address.url, "a picture or film")]
    if part.input_audio is not None:
        return [of_sound(part.input_audio)]
    if part.file is not None:
        return [of_file(part.file)]
    message = f"Gemini takes text, pictures, films, sound and files, not {part.type!r}"
    raise SchemaError(message)


def _arguments(given: msgspec.Raw) -> object:
    """The object that OpenAI writes as text; what a model wrote badly is no object, and the client should know."""
    text = bytes(given)
    return _object(msgspec.json.decode(text, type=str).strip() or "{}" if text.startswith(b'"') else text)


def _signature(extra: _Extra | None) -> str | None:
    return extra.google.thought_signature if extra is not None and extra.google is not None else None
