"""What Ollama's own API says, as OpenAI's answers and chunks. Pure; knows nothing about HTTP.

Traps: counts that are zero are left out; an error may come as a line under HTTP 200; tool calls have objects as
arguments and often no id; a stream without a last line that says ``done`` was cut.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from roundhouse.backends.wire.failures import error_in_stream, excerpt
from roundhouse.backends.wire.figures import of_nanoseconds
from roundhouse.backends.wire.ndjson import LineParser
from roundhouse.core.errors import BackendError, RoundhouseError
from roundhouse.core.inference import Answer, Chunk, Operation, TokenUsage

_encode = msgspec.json.Encoder().encode
_NO_ERROR = (b"", b"null", b'""')


class _Function(msgspec.Struct, gc=False):
    name: str = ""
    arguments: msgspec.Raw = msgspec.Raw(b"{}")


class _Call(msgspec.Struct, gc=False):
    function: _Function
    id: str | None = None


class _Message(msgspec.Struct, gc=False):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[_Call] | None = None


class Line(msgspec.Struct, gc=False):
    """One line of a stream, or a whole answer: the same shape."""

    message: _Message | None = None
    response: str | None = None
    thinking: str | None = None
    done: bool = False
    done_reason: str | None = None
    load_duration: int = 0
    prompt_eval_count: int = 0
    eval_count: int = 0
    logprobs: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()

    @property
    def usage(self) -> TokenUsage:
        """Tokens as Ollama counted them."""
        return TokenUsage(self.prompt_eval_count, self.eval_count)

    @property
    def load_s(self) -> float:
        """Seconds that it spent on bringing the model into memory."""
        return of_nanoseconds(self.load_duration)


_line = msgspec.json.Decoder(Line).decode


def read_line(data: bytes) -> Line:
    """One line. Raises the error that it is, or BackendError."""
    try:
        data.decode()  # what is passed on unread would not be looked at otherwise
        line = _line(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        message = f"that is not what Ollama answers ({error}): {excerpt(data)}"
        raise BackendError(message) from error
    if bytes(line.error) not in _NO_ERROR:
        raise error_in_stream(data)
    return line


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around everything that is said in answer to one request."""

    request: str
    model: str
    created: int
    operation: Operation = Operation.CHAT

    def around(self, kind: str, **fields: object) -> bytes:
        """The bytes of one object."""
        prefix = "cmpl" if self.operation is Operation.COMPLETION else "chatcmpl"
        head = {"id": f"{prefix}-{self.request}", "object": kind, "created": self.created, "model": self.model}
        return _encode({**head, **fields})

    def calls(self, calls: list[_Call], first: int = 0) -> list[dict[str, object]]:
        """Tool calls as OpenAI writes them."""
        return [
            {
                "index": number,
                "id": call.id or f"call_{self.request}_{number}",
                "type": "function",
                "function": {"name": call.function.name, "arguments": _arguments(call.function.arguments)},
            }
            for number, call in enumerate(calls, start=first)
        ]


def whole_answer(data: bytes, frame: Frame) -> tuple[Answer, Line]:
    """A whole answer, and the line that it was. Raises RoundhouseError."""
    line = read_line(data)
    if not line.done:
        message = f"the answer is not whole: {excerpt(data)}"
        raise BackendError(message)
    chat = frame.operation is Operation.CHAT
    calls = line.message.tool_calls if chat and line.message and line.message.tool_calls else []
    choice: dict[str, object] = {"index": 0, "finish_reason": _reason(line, called=bool(calls))}
    if chat:
        choice["message"] = _message(line, frame, calls)
        choice["logprobs"] = _logprobs(line)
    else:
        choice |= {"text": line.response or "", "logprobs": None}
    kind = "chat.completion" if chat else "text_completion"
    return Answer(frame.around(kind, choices=[choice], usage=_usage(line)), usage=line.usage), line


def _message(line: Line, frame: Frame, calls: list[_Call]) -> dict[str, object]:
    said = line.message or _Message()
    message: dict[str, object] = {"role": "assistant", "content": said.content or (None if calls else "")}
    if said.thinking:
        message["reasoning_content"] = said.thinking
    if calls:
        message["tool_calls"] = [{k: v for k, v in each.items() if k != "index"} for each in frame.calls(calls)]
    return message


class Telling:
    """One streamed answer: bytes in, chunks out. Those that came before a failure are given out before it is raised."""

    __slots__ = ("_calls", "_failure", "_frame", "_lines", "_started", "last")

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._lines = LineParser()
        self._failure: RoundhouseError | None = None
        self._started = False
        self._calls = 0
        #: The line that said ``done``; nothing after it matters.
        self.last: Line | None = None

    @property
    def done(self) -> bool:
        """Whether nothing that comes now matters."""
        return self.last is not None or self._failure is not None

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks that *data* completes."""
        if self.done:
            return []
        try:
            lines = self._lines.feed(data)
        except RoundhouseError as error:
            self._failure = error
            return []
        return self._read(lines)

    def finish(self) -> list[Chunk]:
        """What is left at the end. Raises RoundhouseError: Ollama failed on the way, or the answer is not complete."""
        chunks = [] if self.done else self._read(self._lines.finish())
        if self._failure is not None:
            raise self._failure
        if self.last is None:
            message = "the stream ended in the middle of the answer"
            raise BackendError(message)
        return chunks

    def _read(self, lines: list[bytes]) -> list[Chunk]:
        chunks: list[Chunk] = []
        for data in lines:
            try:
                line = read_line(data)
            except RoundhouseError as error:
                self._failure = error
                break
            chunks += self._chunks(line)
            if line.done:
                self.last = line
                break
        return chunks

    def _chunks(self, line: Line) -> list[Chunk]:
        visible = self._visible(line)
        chunks = [visible] if visible is not None else []
        if line.done:
            reason = _reason(line, called=self._calls > 0)
            chunks.append(Chunk(self._around(self._empty(), reason), final=True))
            chunks.append(
                Chunk(self._frame.around(self._kind, choices=[], usage=_usage(line)), usage=line.usage, usage_only=True)
            )
        return chunks

    def _visible(self, line: Line) -> Chunk | None:
        """What a person would see of *line*; ``None`` when it is empty and somebody spoke before."""
        if self._frame.operation is Operation.COMPLETION:
            return Chunk(self._around({"text": line.response}), visible=True) if line.response else None
        said = line.message or _Message()
        delta: dict[str, object] = {"content": said.content} if said.content else {}
        if said.thinking:
            delta["reasoning_content"] = said.thinking
        if said.tool_calls:
            delta["tool_calls"] = self._frame.calls(said.tool_calls, self._calls)
            self._calls += len(said.tool_calls)
        if not delta and self._started:
            return None
        visible = bool(delta)
        if not self._started:
            self._started = True
            delta = {"role": "assistant", "content": "", **delta}
        return Chunk(self._around({"delta": delta, "logprobs": _logprobs(line)}), visible=visible)

    def _empty(self) -> dict[str, object]:
        return {"text": ""} if self._frame.operation is Operation.COMPLETION else {"delta": {}}

    def _around(self, said: dict[str, object], reason: str | None = None) -> bytes:
        return self._frame.around(self._kind, choices=[{"index": 0, **said, "finish_reason": reason}])

    @property
    def _kind(self) -> str:
        return "text_completion" if self._frame.operation is Operation.COMPLETION else "chat.completion.chunk"


def _reason(line: Line, *, called: bool) -> str:
    if line.done_reason == "length":
        return "length"
    return "tool_calls" if called else "stop"


def _usage(line: Line) -> dict[str, int]:
    prompt, completion = line.prompt_eval_count, line.eval_count
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _logprobs(line: Line) -> dict[str, object] | None:
    return {"content": line.logprobs} if bytes(line.logprobs).startswith(b"[") else None


def _arguments(given: msgspec.Raw) -> str:
    """The object as text; some models' templates make Ollama send text already."""
    text = bytes(given)
    return msgspec.json.decode(text, type=str) if text.startswith(b'"') else text.decode() or "{}"
