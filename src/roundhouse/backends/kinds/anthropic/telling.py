"""A stream of the Messages API, as OpenAI's chunks. Pure; knows nothing about HTTP.

Traps: an error may come under 200; ``ping`` at any time; a tool without arguments sends empty text; counts come twice;
and a stream without ``message_stop`` was cut, whatever it said before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from roundhouse.backends.kinds.anthropic.failures import error_of, not_understood
from roundhouse.backends.kinds.anthropic.parts import is_given
from roundhouse.backends.kinds.anthropic.saying import (
    Block,
    Frame,
    StopDetails,
    Usage,
    input_of,
    read_block,
    reason_of,
    thoughts_of,
)
from roundhouse.backends.wire.sse import MAX_EVENT, EventParser
from roundhouse.core.errors import BackendError, RoundhouseError
from roundhouse.core.inference import Chunk

_encode = msgspec.json.Encoder().encode
_NOTHING = msgspec.Raw()
#: Blocks that may be open at a time; an honest stream has one.
_MOST_OPEN = 64
_KIND = "chat.completion.chunk"


class _Start(msgspec.Struct, gc=False):
    usage: Usage | None = None


class _Delta(msgspec.Struct, gc=False):
    text: str = ""
    partial_json: str = ""
    thinking: str = ""
    signature: str = ""
    stop_reason: str | None = None
    stop_details: StopDetails | None = None


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    index: int = 0
    message: _Start | None = None
    content_block: msgspec.Raw = _NOTHING
    delta: _Delta | None = None
    usage: Usage | None = None
    error: msgspec.Raw = _NOTHING


class _Name(msgspec.Struct, gc=False):
    type: str = ""


class _Open:
    """A block that is being told."""

    __slots__ = ("block", "call", "is_answer", "pieces", "size")

    def __init__(self, block: Block, *, is_answer: bool) -> None:
        self.block = block
        self.is_answer = is_answer
        #: The number of the call, if it is one.
        self.call = 0
        #: Of a thought, which is given back as a whole.
        self.pieces = [block.thinking]
        self.size = 0


_event = msgspec.json.Decoder(_Event).decode
_name = msgspec.json.Decoder(_Name).decode


class Telling:
    """One streamed answer: bytes in, chunks out. Those that came before a failure are given out before it is raised."""

    __slots__ = (
        "_calls", "_details", "_events", "_failure", "_frame", "_open", "_prefix", "_reason", "_started", "_usage",
        "done",
    )  # fmt: skip

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._prefix = _encode(frame.head(_KIND))[:-1] + b',"choices":['
        self._events = EventParser()
        self._failure: RoundhouseError | None = None
        self._open: dict[int, _Open] = {}
        self._calls = 0
        self._reason: str | None = None
        self._details: StopDetails | None = None
        self._usage = Usage()
        self._started = False
        #: Whether nothing that comes now matters.
        self.done = False

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks that *data* completes."""
        return [] if self.done else self._take(data)

    def finish(self) -> list[Chunk]:
        """What is left at the end. Raises RoundhouseError: it failed on the way, or the answer is not complete."""
        chunks: list[Chunk] = []
        if not self.done:
            for payload in self._events.finish():
                chunks += self._read(payload)
        if self._failure is not None:
            raise self._failure
        if not self.done:
            message = "the stream ended in the middle of the answer"
            raise BackendError(message)
        return chunks

    def _take(self, data: bytes) -> list[Chunk]:
        chunks: list[Chunk] = []
        try:
            for payload in self._events.feed(data):
                chunks += self._read(payload)
                if self.done:
                    break
        except RoundhouseError as error:
            self._failure, self.done = error, True
        return chunks

    def _read(self, payload: bytes) -> list[Chunk]:
        """The chunks of one event. Raises RoundhouseError."""
        try:
            event = _event(payload)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            if _is_new(payload):
                return []
            raise not_understood(payload, error) from error
        if is_given(event.error):
            raise error_of(payload)
        act = _ACTS.get(event.type)
        return act(self, event) if act is not None else []

    def _greet(self, event: _Event) -> list[Chunk]:
        self._usage = self._usage.grown((event.message and event.message.usage) or Usage())
        return []

    def _begin(self, event: _Event) -> list[Chunk]:
        raw = event.content_block
        try:
            block = read_block(raw)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise not_understood(bytes(raw), error) from error
        if block is None:
            return []
        if len(self._open) >= _MOST_OPEN:
            message = f"more than {_MOST_OPEN} blocks of the answer are open"
            raise BackendError(message)
        told = _Open(block, is_answer=self._frame.is_answer(block))
        self._open[event.index] = told
        if block.type == "tool_use" and not told.is_answer:
            told.call = self._calls
            self._calls += 1
            return [self._call(told, "", named=True)]
        if block.text:
            return [self._seen({"content": block.text})]
        return [self._seen({"reasoning_content": block.thinking})] if block.thinking else []

    def _go_on(self, event: _Event) -> list[Chunk]:
        told, delta = self._open.get(event.index), event.delta
        if told is None or delta is None:
            return []
        kind = told.block.type
        if kind == "text" and delta.text:
            return [self._seen({"content": delta.text})]
        if kind == "tool_use" and delta.partial_json:
            told.size += 1
            if told.is_answer:
                return [self._seen({"content": delta.partial_json})]
            return [self._call(told, delta.partial_json)]
        return self._think(told, delta) if kind == "thinking" else []

    def _think(self, told: _Open, delta: _Delta) -> list[Chunk]:
        told.size += len(delta.thinking) + len(delta.signature)
        if told.size > MAX_EVENT:
            message = f"a thought is longer than {MAX_EVENT} characters"
            raise BackendError(message)
        told.block.signature += delta.signature
        if not delta.thinking:
            return []
        told.pieces.append(delta.thinking)
        return [self._seen({"reasoning_content": delta.thinking})]

    def _end(self, event: _Event) -> list[Chunk]:
        told = self._open.pop(event.index, None)
        if told is None or told.block.type == "text":
            return []
        if told.block.type != "tool_use":
            told.block.thinking = "".join(told.pieces)
            thoughts = thoughts_of([told.block])
            return [self._chunk({"thinking_blocks": thoughts})] if thoughts else []
        if told.size:
            return []
        # No argument, or a server that says them all at once.
        text = input_of(told.block.input)
        return [self._seen({"content": text}) if told.is_answer else self._call(told, text)]

    def _note(self, event: _Event) -> list[Chunk]:
        if event.delta is not None:
            self._reason = event.delta.stop_reason or self._reason
            self._details = event.delta.stop_details or self._details
        if event.usage is not None:
            self._usage = self._usage.grown(event.usage)
        return []

    def _close(self, _event: _Event) -> list[Chunk]:
        """The last words, the reason, and the usage alone."""
        self.done = True
        chunks = [chunk for index in list(self._open) for chunk in self._end(_Event(index=index))]
        if self._details is not None and self._details.explanation:
            chunks.append(self._seen({"refusal": self._details.explanation}))
        reason = reason_of(self._reason, called=self._calls > 0)
        chunks.append(self._chunk({}, reason))
        usage = self._prefix + b'],"usage":' + _encode(self._usage.listed) + b"}"
        return [*chunks, Chunk(usage, usage=self._usage.tokens, usage_only=True)]

    def _call(self, told: _Open, arguments: str, *, named: bool = False) -> Chunk:
        call: dict[str, object] = {"index": told.call}
        function: dict[str, object] = {"arguments": arguments}
        if named:
            call |= {"id": told.block.id, "type": "function"}
            function = {"name": told.block.name, **function}
        return self._seen({"tool_calls": [{**call, "function": function}]})

    def _seen(self, delta: dict[str, object]) -> Chunk:
        return self._chunk(delta, visible=True)

    def _chunk(self, delta: dict[str, object], reason: str | None = None, *, visible: bool = False) -> Chunk:
        if not self._started:
            self._started = True
            delta = {"role": "assistant", "content": "", **delta}
        choice = b'{"index":0,"delta":%b,"logprobs":null,"finish_reason":%b}]}' % (_encode(delta), _encode(reason))
        return Chunk(self._prefix + choice, visible=visible, final=reason is not None)


def _is_new(payload: bytes) -> bool:
    """Whether an event that cannot be read is of a kind that is not known, and so not for us."""
    try:
        kind = _name(payload).type
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False
    return kind != "error" and kind not in _ACTS


#: What is done about each kind of event; any other is ``ping``, or new.
_ACTS: Mapping[str, Callable[[Telling, _Event], list[Chunk]]] = {
    "message_start": Telling._greet,  # noqa: SLF001 - its own, looked up by name
    "content_block_start": Telling._begin,  # noqa: SLF001
    "content_block_delta": Telling._go_on,  # noqa: SLF001
    "content_block_stop": Telling._end,  # noqa: SLF001
    "message_delta": Telling._note,  # noqa: SLF001
    "message_stop": Telling._close,  # noqa: SLF001
}
