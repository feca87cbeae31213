"""OpenAI's answers, whole and in chunks, read only as far as we must. Knows nothing about sockets or event streams.

The bytes go on to the client as they came. Of them we need: does it show something to a person, is the answer
complete, what was used, and is it an error in disguise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from roundhouse.backends.wire.failures import error_in_stream, excerpt
from roundhouse.backends.wire.fields import may_name
from roundhouse.backends.wire.reasoning import with_both_names
from roundhouse.core.errors import BackendError
from roundhouse.core.inference import Answer, Chunk, Operation, TokenUsage

#: The finish reason of OpenRouter when the provider behind it failed on the way.
_FAILED, _UNSAID = "error", "the answer ended in an error, without saying which"
_NO_ERROR = (b"", b"null", b"{}", b'""', b"false")


_NUMBERS = (int, float)
#: USD for one answer: more is no charge but a mistake.
_DEAREST = 1e6
#: Counts may come as ``5.0``, and bookkeeping is no reason to lose an answer.
_Count = float | None


class _Details(msgspec.Struct, gc=False):
    cached_tokens: _Count = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: _Count = None
    completion_tokens: _Count = None
    prompt_tokens_details: _Details | None = None
    #: DeepSeek.
    prompt_cache_hit_tokens: _Count = None
    #: OpenRouter tells USD; others may have an object there.
    cost: Any = None

    def tokens(self) -> TokenUsage | None:
        """The same in our words; ``None`` when nothing was counted."""
        if self.prompt_tokens is None and self.completion_tokens is None:
            return None
        details, cost = self.prompt_tokens_details, self.cost
        cached = (details.cached_tokens if details else None) or self.prompt_cache_hit_tokens
        return TokenUsage(
            prompt=int(self.prompt_tokens or 0),
            completion=int(self.completion_tokens or 0),
            cached=int(cached or 0),
            cost_usd=float(cost) if type(cost) in _NUMBERS and 0 <= cost < _DEAREST else None,
        )


class _Delta(msgspec.Struct, gc=False):
    #: Of any type: what counts is whether there is something in it.
    content: Any = None
    tool_calls: Any = None
    function_call: Any = None
    refusal: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    audio: Any = None

    def is_visible(self) -> bool:
        """Whether a person would see something."""
        return bool(
            self.content
            or self.tool_calls
            or self.reasoning_content
            or self.reasoning
            or self.refusal
            or self.function_call
            or self.audio
        )


class _Choice(msgspec.Struct, gc=False):
    index: int | None = 0
    delta: _Delta | None = None
    text: Any = None
    finish_reason: str | None = None
    #: Moonshot, in its last chunk; of any shape elsewhere.
    usage: msgspec.Raw = msgspec.Raw()


class _XGroq(msgspec.Struct, gc=False):
    usage: _Usage | None = None


class _Event(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    #: Groq, in its last chunk, also of those who did not ask.
    x_groq: _XGroq | None = None
    #: Raw also when null, for a union with ``None`` refuses objects.
    error: msgspec.Raw = msgspec.Raw()
    #: ``error`` from vLLM, which puts the error at the top.
    object: str | None = None


class _Ended(msgspec.Struct, gc=False):
    finish_reason: Any = None
    error: msgspec.Raw = msgspec.Raw()


class _Whole(msgspec.Struct, gc=False):
    choices: list[msgspec.Raw] | None = None
    data: list[msgspec.Raw] | None = None
    results: list[msgspec.Raw] | None = None
    usage: _Usage | None = None
    error: msgspec.Raw = msgspec.Raw()
    object: str | None = None


#: Where an answer is; of all others in ``choices``.
_PARTS: Mapping[Operation, Literal["data", "results"]] = {Operation.EMBEDDING: "data", Operation.RERANK: "results"}

_event = msgspec.json.Decoder(_Event).decode
_whole = msgspec.json.Decoder(_Whole).decode
_usage = msgspec.json.Decoder(_Usage).decode
_ended = msgspec.json.Decoder(_Ended).decode
_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def _fields_of(payload: bytes) -> dict[str, msgspec.Raw]:
    """A chunk one level deep. Raises BackendError: what was passed over when it was read is no text."""
    try:
        return _object(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        message = f"an event of the stream is not a chunk ({error}): {excerpt(payload)}"
        raise BackendError(message) from error


def _usage_inside(choice: _Choice) -> TokenUsage | None:
    """What was used, where only a choice tells it."""
    try:
        return _usage(choice.usage).tokens() if bytes(choice.usage).startswith(b"{") else None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _is_error(error: msgspec.Raw) -> bool:
    """Whether an ``error`` key says something: some servers always send one."""
    return bytes(error) not in _NO_ERROR


class ChunkReader:
    """One streamed answer: knows which choices are still open."""

    __slots__ = ("_ended", "_last", "_open", "finished")

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._ended: set[int] = set()
        self._last: bytes | None = None
        #: Every choice that began has its finish reason.
        self.finished = False

    def read(self, payload: bytes) -> Chunk:
        """One event's payload, which is not ``[DONE]``.

        Raises:
            RoundhouseError: it is an error of the backend, or no chunk at all.

        """
        try:
            event = _event(payload)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            message = f"an event of the stream is not a chunk ({error}): {excerpt(payload)}"
            raise BackendError(message) from error
        if event.object == "error" or _is_error(event.error):
            raise error_in_stream(payload)
        told = event.usage or (event.x_groq.usage if event.x_groq is not None else None)
        usage = told.tokens() if told is not None else None
        if not event.choices:
            return Chunk(payload, usage=usage, usage_only=usage is not None)
        was_finished = self.finished
        visible, final = self._note(event.choices)
        if usage is not None and was_finished and not visible:
            # LiteLLM sends the usage with an empty delta where OpenAI sends no choice at all.
            return Chunk(_without_choices(payload), usage=usage, usage_only=True)
        if final and usage is None:
            usage = _usage_inside(event.choices[0])
        delta = event.choices[0].delta
        if delta is not None and delta.reasoning:
            payload = with_both_names(payload)
        self._last = payload
        return Chunk(payload, visible=visible, final=final, usage=usage)

    def _note(self, choices: list[_Choice]) -> tuple[bool, bool]:
        """Whether there is something to see in *choices*, and whether they complete the answer."""
        visible = ended = False
        for choice in choices:
            if (choice.delta is not None and choice.delta.is_visible()) or choice.text:
                visible = True
            index = choice.index or 0
            if choice.finish_reason:
                if choice.finish_reason == _FAILED:
                    raise BackendError(_UNSAID)
                ended = True
                self._open.discard(index)
                self._ended.add(index)
            elif index not in self._ended:
                self._open.add(index)
        self.finished = not self._open and bool(self._ended)
        return visible, ended and self.finished

    def closing(self) -> Chunk:
        """The chunk with the finish reason that a backend forgot before its ``[DONE]``.

        Raises:
            BackendError: there was no answer that could be finished.

        """
        if self._last is None:
            message = "the stream ended without an answer"
            raise BackendError(message)
        chunk = _fields_of(self._last)
        key = b'"text":""' if chunk.get("object") == msgspec.Raw(b'"text_completion"') else b'"delta":{}'
        choices = b",".join(
            b'{"index":%d,%b,"logprobs":null,"finish_reason":"stop"}' % (index, key) for index in sorted(self._open)
        )
        chunk["choices"] = msgspec.Raw(b"[%b]" % choices)
        chunk.pop("usage", None)
        self.finished = True
        return Chunk(msgspec.json.encode(chunk), final=True)


def _without_choices(payload: bytes) -> bytes:
    chunk = _fields_of(payload)
    chunk["choices"] = msgspec.Raw(b"[]")
    return msgspec.json.encode(chunk)


def read_answer(data: bytes, operation: Operation) -> Answer:
    """A whole answer.

    Raises:
        RoundhouseError: it is an error with a friendly status, or no answer at all.

    """
    try:
        whole = _whole(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        message = f"the answer is not what OpenAI's would be ({error}): {excerpt(data)}"
        raise BackendError(message) from error
    if whole.object == "error" or _is_error(whole.error):
        raise error_in_stream(data)
    if may_name(data, b"error") and operation not in _PARTS:
        _refuse_failed(whole.choices or [])
    key = _PARTS.get(operation, "choices")
    if not getattr(whole, key):
        message = f"the answer has no {key}: {excerpt(data)}"
        raise BackendError(message)
    return Answer(with_both_names(data), usage=whole.usage.tokens() if whole.usage is not None else None)


def _refuse_failed(choices: list[msgspec.Raw]) -> None:
    """Raise the error that an answer with a friendly status has inside its choices. Raises RoundhouseError."""
    for choice in choices:
        try:
            ended = _ended(choice)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            continue
        if _is_error(ended.error):
            raise error_in_stream(b'{"error":%b}' % bytes(ended.error))
        if ended.finish_reason == _FAILED:
            raise BackendError(_UNSAID)
