"""OpenAI's bodies as Google's API must get them. Pure; knows nothing about HTTP.

What Gemini has no word for is refused rather than dropped when it would change the answer. Dropped is what only
concerns OpenAI's bookkeeping, and what says how to do something rather than what (``_DROPPED``).
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from roundhouse.backends.kinds.gemini.messages import Hearer, talk_of
from roundhouse.backends.kinds.gemini.thinking import Thinker, thinking_of
from roundhouse.backends.kinds.gemini.tools import schema_of, tools_of
from roundhouse.backends.kinds.texts import one_prompt
from roundhouse.core.errors import SchemaError
from roundhouse.core.inference import Operation

Fields = dict[str, msgspec.Raw]

_fields = msgspec.json.Decoder(Fields).decode
_encode = msgspec.json.Encoder().encode
_NULL = msgspec.Raw(b"null")
_FALSE = msgspec.Raw(b"false")
#: What both know, and what Google calls it in ``generationConfig``.
_CONFIG = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "seed": "seed",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "max_tokens": "maxOutputTokens",
    "max_completion_tokens": "maxOutputTokens",
    "n": "candidateCount",
    "media_resolution": "mediaResolution",
    "mediaResolution": "mediaResolution",
}
#: Google's own words, from those who know whom they speak to: at the top, or where its OpenAI dialect has them.
_OWN = {
    "safety_settings": "safetySettings",
    "safetySettings": "safetySettings",
    "cached_content": "cachedContent",
    "cachedContent": "cachedContent",
}
_OWN_THINKING = ("thinking_config", "thinkingConfig")
#: What changes nothing about the answer: bookkeeping, hints for speed, and what is read elsewhere.
_DROPPED = frozenset({
    "model", "stream", "stream_options", "user", "metadata", "store", "safety_identifier", "service_tier",
    "prompt_cache_key", "prompt_cache_retention", "prediction",
})  # fmt: skip
_READ = frozenset({
    "messages", "prompt", "tools", "tool_choice", "response_format", "stop", "logprobs", "top_logprobs",
    "reasoning_effort", "reasoning", "extra_body", "parallel_tool_calls",
})  # fmt: skip
_KNOWN = _DROPPED | _READ | _CONFIG.keys() | _OWN.keys() | set(_OWN_THINKING)
#: What has no word, but may be said when it asks for nothing, or for what happens anyway.
_NOTHING = (b"{}", b"[]", b"false", b'""')
_ANYWAY = {"modalities": b'["text"]', "best_of": b"1"}
_MOST_STOPS = 5


class _Schema(msgspec.Struct):
    schema: msgspec.Raw = msgspec.Raw()


class _Format(msgspec.Struct):
    type: str = "text"
    json_schema: _Schema | None = None


class _Extra(msgspec.Struct):
    google: Fields = {}


def asked(operation: Operation, body: bytes, thinker: Thinker, hearer: Hearer) -> tuple[bytes, int]:
    """*body* in Google's words, and how many answers it asks for. Raises SchemaError."""
    try:
        given = _given(body)
        _refuse_unknown(given)
        whole = _chat(given, hearer) if operation is Operation.CHAT else _completion(given)
        config = _config(given, thinker, chat=operation is Operation.CHAT)
        if config:
            whole["generationConfig"] = config
        whole |= {_OWN[name]: given[name] for name in given.keys() & _OWN.keys()}
        return _encode(whole), _count(given)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        message = f"the body is not what it should be: {error}"
        raise SchemaError(message) from error


def _given(body: bytes) -> Fields:
    """What somebody said, wherever; null is nothing."""
    fields = _fields(body)
    extra = fields.get("extra_body", _NULL)
    if extra != _NULL:
        fields |= msgspec.json.decode(extra, type=_Extra).google
    return {name: raw for name, raw in fields.items() if raw != _NULL}


def _refuse_unknown(given: Mapping[str, msgspec.Raw]) -> None:
    """What would change the answer and cannot be said."""
    for name, raw in given.items():
        if name not in _KNOWN and bytes(raw) not in _NOTHING and bytes(raw) != _ANYWAY.get(name):
            message = f"Gemini has no word for {name[:64]} as it is here"
            raise SchemaError(message, hint=f"leave {name[:64]} out")


def _chat(given: Fields, hearer: Hearer) -> dict[str, object]:
    talk = talk_of(given.get("messages"), hearer)
    whole: dict[str, object] = {"contents": talk.contents}
    if talk.system:
        whole["systemInstruction"] = {"parts": talk.system}
    one_by_one = given.get("parallel_tool_calls") == _FALSE
    return whole | tools_of(given.get("tools"), given.get("tool_choice"), one_by_one=one_by_one)


def _completion(given: Fields) -> dict[str, object]:
    """A completion is a chat of one message: Google has no other way to go on with a text."""
    prompt = one_prompt(given.get("prompt", b'""'), "Gemini")
    return {"contents": [{"role": "user", "parts": [{"text": prompt}]}]}


def _config(given: Fields, thinker: Thinker, *, chat: bool) -> dict[str, object]:
    config: dict[str, object] = {_CONFIG[name]: given[name] for name in _CONFIG if name in given}
    if "stop" in given:
        config |= _stops(given["stop"])
    config |= _format(given) | _logprobs(given, chat=chat)
    own = next((given[name] for name in _OWN_THINKING if name in given), None)
    thinking = own or thinking_of(given.get("reasoning_effort"), given.get("reasoning"), thinker)
    if thinking is not None:
        config["thinkingConfig"] = thinking
    return config


def _stops(given: msgspec.Raw) -> dict[str, object]:
    stop = msgspec.json.decode(given, type=str | list[str])
    stops = [stop] if isinstance(stop, str) else stop
    if len(stops) > _MOST_STOPS:
        message = f"stop has {len(stops)} texts, and Gemini takes {_MOST_STOPS}"
        raise SchemaError(message)
    return {"stopSequences": stops} if stops else {}


def _format(given: Fields) -> dict[str, object]:
    if "response_format" not in given:
        return {}
    form = msgspec.json.decode(given["response_format"], type=_Format)
    if form.type == "text":
        return {}
    if form.type not in ("json_object", "json_schema"):
        message = f"response_format is of type {form.type!r}, which Gemini has no word for"
        raise SchemaError(message)
    made: dict[str, object] = {"responseMimeType": "application/json"}
    if form.json_schema is not None and bytes(form.json_schema.schema) not in (b"", b"null"):
        made["responseJsonSchema"] = schema_of(form.json_schema.schema)
    return made


def _logprobs(given: Fields, *, chat: bool) -> dict[str, object]:
    wanted = bytes(given.get("logprobs", b"false"))
    if wanted == b"false":
        return {}
    if not chat or wanted != b"true":
        message = "Gemini tells logprobs of chats only, and there logprobs is true or false"
        raise SchemaError(message, hint="leave logprobs out")
    return {"responseLogprobs": True} | ({"logprobs": given["top_logprobs"]} if "top_logprobs" in given else {})


def _count(given: Fields) -> int:
    count = msgspec.json.decode(given.get("n", b"1"), type=int)
    if count < 1:
        message = f"n is {count}, and there is no such number of answers"
        raise SchemaError(message)
    return count
