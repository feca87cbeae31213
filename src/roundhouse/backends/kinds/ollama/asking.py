"""OpenAI's bodies as Ollama's own API must get them. Pure; knows nothing about HTTP or how large a context is.

What Ollama has no word for is refused rather than dropped when it would change the answer; pictures are taken from
``data:`` addresses only, because nothing is fetched on behalf of a request.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from roundhouse.backends.kinds.ollama.messages import messages_of
from roundhouse.backends.kinds.texts import one_prompt
from roundhouse.core.errors import SchemaError
from roundhouse.core.inference import Operation

Fields = dict[str, msgspec.Raw]

_fields = msgspec.json.Decoder(Fields).decode
_encode = msgspec.json.Encoder().encode
_NULL = msgspec.Raw(b"null")
_FALSE = msgspec.Raw(b"false")
#: Options that both call the same.
_SAME = (
    "temperature", "top_p", "top_k", "min_p", "seed", "frequency_penalty", "presence_penalty", "repeat_penalty",
    "repeat_last_n", "typical_p", "num_keep",
)  # fmt: skip
#: What a client may say in Ollama's own ``options``: how tokens are chosen, not where the model lies, for that would
#: load it anew for everybody.
_OWN = frozenset(_SAME) | {"stop", "num_predict", "num_ctx", "mirostat", "mirostat_eta", "mirostat_tau", "tfs_z"}
_PATHS = {Operation.CHAT: "/api/chat", Operation.COMPLETION: "/api/generate", Operation.EMBEDDING: "/api/embed"}
_LEVELS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high"}
#: Families whose thinking has levels and no switch.
_LEVELLED = frozenset({"gptoss", "gpt-oss"})


class _Function(msgspec.Struct):
    name: str


class _Tool(msgspec.Struct):
    function: _Function


class _Choice(msgspec.Struct):
    function: _Function | None = None


class _Schema(msgspec.Struct):
    schema: msgspec.Raw = msgspec.Raw()


class _Format(msgspec.Struct):
    type: str = "text"
    json_schema: _Schema | None = None


class _Reasoning(msgspec.Struct):
    effort: str | None = None
    enabled: bool | None = None


@dataclass(frozen=True, slots=True)
class Thinker:
    """Whether a model thinks before it speaks, and of which family it is."""

    thinks: bool = False
    family: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A request in Ollama's words, but for the model and the size of its context."""

    path: str
    fields: dict[str, object]
    options: dict[str, object]
    #: Tokens that the answer may have; ``None`` is as many as fit.
    answer: int | None
    #: The context that the client itself asked for.
    window: int | None = None

    def body(self, model: str, window: int | None, keep_alive: str | int | None, *, stream: bool) -> bytes:
        """The bytes to send."""
        options = {**self.options, "num_ctx": window} if window is not None else self.options
        whole: dict[str, object] = {**self.fields, "model": model, "stream": stream}
        if options:
            whole["options"] = options
        if keep_alive is not None:
            whole["keep_alive"] = keep_alive
        return _encode(whole)


def asked(operation: Operation, body: bytes, thinker: Thinker) -> Asked:
    """*body* in Ollama's words. Raises SchemaError."""
    try:
        given = {name: raw for name, raw in _fields(body).items() if raw != _NULL}
        _refuse_several(given)
        own = _chat(given, thinker) if operation is Operation.CHAT else _completion(given)
        # Old versions do not know these two and cut; new ones say that it does not fit.
        own |= {"truncate": False, "shift": False}
        options, window = _options(given)
        return Asked(_PATHS[operation], own, options, _count("num_predict", options), window)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        message = f"the body is not what it should be: {error}"
        raise SchemaError(message) from error


def _refuse_several(given: Fields) -> None:
    for name in ("n", "best_of"):
        if bytes(given.get(name, b"1")) not in (b"1", b"1.0"):
            message = f"Ollama gives one answer to a request, and {name} asks for {bytes(given[name]).decode()}"
            raise SchemaError(message, hint=f"leave {name} out and ask again for each answer")


def _chat(given: Fields, thinker: Thinker) -> dict[str, object]:
    fields: dict[str, object] = {"messages": messages_of(given.get("messages"))}
    tools = _tools(given)
    if tools is not None:
        fields["tools"] = tools
    _add_shared(fields, given)
    think = _think(given, thinker)
    if think is not None:
        fields["think"] = think
    return fields


def _completion(given: Fields) -> dict[str, object]:
    """A completion goes on with the very text (``raw``); with a suffix the model's own template fills the gap."""
    prompt = one_prompt(given.get("prompt", b'""'), "Ollama")
    fields: dict[str, object] = {"prompt": prompt}
    if "suffix" in given:
        fields["suffix"] = given["suffix"]
    else:
        fields["raw"] = True
    _add_shared(fields, given)
    return fields


def _add_shared(fields: dict[str, object], given: Fields) -> None:
    """The shape of the answer, and how likely each token was."""
    form = msgspec.json.decode(given.get("response_format", b"{}"), type=_Format)
    if form.type == "json_schema" and form.json_schema is not None and bytes(form.json_schema.schema):
        fields["format"] = form.json_schema.schema
    elif form.type == "json_object":
        fields["format"] = "json"
    elif "format" in given:
        fields["format"] = given["format"]
    if given.get("logprobs", _FALSE) != _FALSE:
        fields["logprobs"] = True
        if "top_logprobs" in given:
            fields["top_logprobs"] = given["top_logprobs"]


def _tools(given: Fields) -> msgspec.Raw | list[msgspec.Raw] | None:
    """The tools that may be called; Ollama cannot be told to call one, only be offered no other."""
    tools, choice = given.get("tools"), bytes(given.get("tool_choice", b'"auto"'))
    if tools is None or choice == b'"none"':
        return None
    wanted = msgspec.json.decode(choice, type=_Choice).function if choice.startswith(b"{") else None
    if wanted is None:
        return tools
    each = msgspec.json.decode(tools, type=list[msgspec.Raw])
    return [tool for tool in each if msgspec.json.decode(tool, type=_Tool).function.name == wanted.name]


def _think(given: Fields, thinker: Thinker) -> bool | str | None:
    """Whether to think, in the words that the model takes; a model that cannot is not told."""
    if not thinker.thinks:
        return None
    said = _said_of_thinking(given)
    if thinker.family in _LEVELLED:
        return "low" if said is False or said == "none" else _LEVELS.get(said) if isinstance(said, str) else None
    return said != "none" if isinstance(said, str) else said


def _said_of_thinking(given: Fields) -> bool | str | None:
    if "think" in given:
        return msgspec.json.decode(given["think"], type=bool | str)
    if "reasoning_effort" in given:
        return msgspec.json.decode(given["reasoning_effort"], type=str)
    reasoning = msgspec.json.decode(given.get("reasoning", b"{}"), type=_Reasoning)
    return reasoning.effort if reasoning.effort is not None else reasoning.enabled


def _options(given: Fields) -> tuple[dict[str, object], int | None]:
    """How to choose tokens; a client that speaks Ollama's own ``options`` has them too, and its ``num_ctx``."""
    own = _fields(given["options"]) if "options" in given else {}
    options: dict[str, object] = {name: raw for name, raw in own.items() if name in _OWN and raw != _NULL}
    options |= {name: given[name] for name in _SAME if name in given}
    if "repetition_penalty" in given:
        options["repeat_penalty"] = given["repetition_penalty"]
    if "stop" in given:
        stop = msgspec.json.decode(given["stop"], type=str | list[str])
        options["stop"] = [stop] if isinstance(stop, str) else stop
    limit = given.get("max_completion_tokens", given.get("max_tokens"))
    if limit is not None:
        options["num_predict"] = msgspec.json.decode(limit, type=int)
    window = _count("num_ctx", options)
    options.pop("num_ctx", None)
    return options, window


def _count(name: str, options: dict[str, object]) -> int | None:
    """One option as a number above zero; Ollama's own -1 and 0 are "no limit"."""
    value = options.get(name)
    if isinstance(value, msgspec.Raw):
        value = msgspec.json.decode(value, type=int | None)
    return value if isinstance(value, int) and value > 0 else None
