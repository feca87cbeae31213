"""What Gemini says, as OpenAI's answers and chunks. Pure; knows nothing about HTTP.

Thoughts are ``reasoning_content``, pictures ``images``, and the signatures that Google wants to see again
``extra_content.google.thought_signature``: on the call of a tool, or on the message itself.

Traps: each event counts all tokens up to it; a stream ends without a word when it is complete, and when it is not; a
blocked prompt has no candidates at all; and calls of tools often have no id.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from roundhouse.backends.kinds.gemini.frame import Frame
from roundhouse.backends.kinds.gemini.shapes import Candidate, Counted, FunctionCall, Part, Piece, read_piece
from roundhouse.backends.wire.failures import excerpt
from roundhouse.backends.wire.sse import EventParser
from roundhouse.core.errors import BackendError, RoundhouseError
from roundhouse.core.inference import Answer, Chunk

#: Reasons after which the answer is what it is.
_REASONS = {"STOP": "stop", "MAX_TOKENS": "length"}
_FILTERED = frozenset({
    "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "MODEL_ARMOR",
})  # fmt: skip
#: The model got lost on the way; another try may do better.
_FAILED = frozenset({
    "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE",
    "MALFORMED_RESPONSE", "NO_IMAGE", "IMAGE_OTHER",
})  # fmt: skip


@dataclass(slots=True)
class _Speaker:
    """One of the answers to a request, as far as it has come."""

    index: int = 0
    calls: int = 0
    #: Whether it was introduced, and whether it said anything.
    opened: bool = False
    spoke: bool = False
    reason: str | None = None

    def said(self, parts: list[Part], frame: Frame) -> dict[str, object]:
        """What *parts* add, by OpenAI's names; empty when that is nothing."""
        texts: list[str] = []
        thoughts: list[str] = []
        images: list[object] = []
        calls: list[object] = []
        signature: str | None = None
        for part in parts:
            if part.function_call is not None:
                calls.append(self._call(part.function_call, part.thought_signature, frame))
                continue
            if part.inline_data is not None:
                url = f"data:{part.inline_data.mime_type};base64,{part.inline_data.data}"
                images.append({"type": "image_url", "image_url": {"url": url}})
            if part.text:
                (thoughts if part.thought else texts).append(part.text)
            signature = part.thought_signature or signature
        said: dict[str, object] = {}
        if texts:
            said["content"] = "".join(texts)
        if frame.is_chat:
            said |= {"reasoning_content": "".join(thoughts)} if thoughts else {}
            said |= {"images": images} if images else {}
            said |= {"tool_calls": calls} if calls else {}
            said |= {"extra_content": _extra(signature)} if signature else {}
        self.spoke = self.spoke or bool(said)
        return said

    def _call(self, call: FunctionCall, signature: str | None, frame: Frame) -> dict[str, object]:
        number, self.calls = self.calls, self.calls + 1
        made: dict[str, object] = {
            "index": number,
            "id": call.id or f"call_{frame.request}_{self.index}_{number}",
            "type": "function",
            "function": {"name": call.name, "arguments": _arguments(call.args)},
        }
        return made | {"extra_content": _extra(signature)} if signature else made

    def end(self, candidate: Candidate) -> None:
        """Note why it ended. Raises BackendError when that is no end."""
        found = candidate.ending or ""
        if found in _FAILED or (found not in _REASONS and found not in _FILTERED and not self.spoke):
            message = f"Gemini gave up: {found} {candidate.finish_message or ''}"
            raise BackendError(excerpt(message.encode("utf-8", "replace")))
        if found in _FILTERED:
            self.reason = "content_filter"
        else:
            self.reason = _REASONS.get(found, "stop")
            if self.calls and self.reason == "stop":
                self.reason = "tool_calls"


def whole_answer(data: bytes, frame: Frame) -> Answer:
    """A whole answer. Raises RoundhouseError."""
    piece = read_piece(data)
    counted = piece.usage_metadata or Counted()
    if piece.refusal is not None:
        choices = [_choice(0, {"refusal": piece.refusal}, "content_filter", frame)]
    elif not piece.candidates:
        message = f"Gemini did not answer: {excerpt(data)}"
        raise BackendError(message)
    else:
        choices = [_whole_choice(candidate, frame, data) for candidate in piece.candidates]
    usage = counted.tokens if piece.usage_metadata is not None else None
    return Answer(frame.whole(choices, counted.written()), usage=usage)


def _whole_choice(candidate: Candidate, frame: Frame, data: bytes) -> dict[str, object]:
    if candidate.ending is None:
        message = f"the answer is not whole: {excerpt(data)}"
        raise BackendError(message)
    speaker = _Speaker(candidate.index)
    said = speaker.said(candidate.parts, frame)
    speaker.end(candidate)
    made = _choice(candidate.index, said, speaker.reason, frame)
    if candidate.logprobs_result is not None and frame.is_chat:
        made["logprobs"] = candidate.logprobs_result.written()
    return made


def _choice(index: int, said: dict[str, object], reason: str | None, frame: Frame) -> dict[str, object]:
    choice: dict[str, object] = {"index": index, "finish_reason": reason, "logprobs": None}
    if not frame.is_chat:
        return {**choice, "text": said.get("content", "")}
    content = said.get("content", None if {"tool_calls", "refusal"} & said.keys() else "")
    calls = said.get("tool_calls")
    if isinstance(calls, list):
        said["tool_calls"] = [{name: value for name, value in each.items() if name != "index"} for each in calls]
    return {**choice, "message": {"role": "assistant", **said, "content": content}}


@dataclass(slots=True)
class Telling:
    """One streamed answer: bytes in, chunks out. Those that came before a failure are given out before it is raised."""

    frame: Frame
    _events: EventParser = field(default_factory=EventParser)
    _speakers: dict[int, _Speaker] = field(default_factory=dict)
    _counted: Counted | None = None
    _failure: RoundhouseError | None = None
    _complete: bool = False

    @property
    def done(self) -> bool:
        """Whether nothing that comes now matters."""
        return self._complete or self._failure is not None

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks that *data* completes."""
        if self.done:
            return []
        try:
            payloads = self._events.feed(data)
        except RoundhouseError as error:
            self._failure = error
            return []
        return self._read(payloads)

    def finish(self) -> list[Chunk]:
        """What is left at the end. Raises RoundhouseError: Google failed on the way, or the answer is not complete."""
        chunks = [] if self.done else self._read(self._events.finish())
        if self._failure is not None:
            raise self._failure
        if not self._complete:
            speakers = self._speakers.values()
            if not speakers or not all(speaker.reason for speaker in speakers):
                message = "the stream ended in the middle of the answer"
                raise BackendError(message)
            # Fewer answers than were asked for, or nobody counted the tokens.
            chunks += self._ending()
        return chunks

    def _read(self, payloads: list[bytes]) -> list[Chunk]:
        chunks: list[Chunk] = []
        for payload in payloads:
            if self.done:
                break
            try:
                self._tell(read_piece(payload), chunks)
            except RoundhouseError as error:
                self._failure = error
        return chunks

    def _tell(self, piece: Piece, chunks: list[Chunk]) -> None:
        """Add what *piece* says to *chunks*; also when it ends in a failure."""
        self._counted = piece.usage_metadata or self._counted
        if piece.refusal is not None and not self._speakers:
            speaker = self._speakers[0] = _Speaker(reason="content_filter")
            chunks.append(self._chunk(speaker, {"refusal": piece.refusal}))
            chunks += self._ending()
            return
        for candidate in piece.candidates or ():
            speaker = self._speakers.setdefault(candidate.index, _Speaker(candidate.index))
            if speaker.reason is not None:
                continue  # what is said after the end is not part of it
            said = speaker.said(candidate.parts, self.frame)
            if said or not speaker.opened:
                chunks.append(self._chunk(speaker, said, candidate))
            if candidate.ending is not None:
                speaker.end(candidate)
        speakers = self._speakers.values()
        ended = len(speakers) >= self.frame.count and all(speaker.reason for speaker in speakers)
        if ended and self._counted is not None:
            chunks += self._ending()

    def _chunk(self, speaker: _Speaker, said: dict[str, object], candidate: Candidate | None = None) -> Chunk:
        visible = bool(said.keys() - {"extra_content"})
        delta = said if speaker.opened else {"role": "assistant", "content": "", **said}
        speaker.opened = True
        if not self.frame.is_chat:
            return Chunk(self._around(speaker, {"text": said.get("content", "")}), visible=visible)
        logprobs = candidate.logprobs_result if candidate is not None else None
        made: dict[str, object] = {"delta": delta, "logprobs": logprobs.written() if logprobs is not None else None}
        return Chunk(self._around(speaker, made), visible=visible)

    def _ending(self) -> list[Chunk]:
        """Why each of the answers ended, and what all of them took."""
        self._complete = True
        speakers = list(self._speakers.values())
        chunks = [
            Chunk(
                self._around(speaker, {"delta": {}} if self.frame.is_chat else {"text": ""}, speaker.reason),
                final=speaker is speakers[-1],
            )
            for speaker in speakers
        ]
        if self._counted is not None:
            usage = self._counted.written()
            chunks.append(Chunk(self.frame.chunk([], usage=usage), usage=self._counted.tokens, usage_only=True))
        return chunks

    def _around(self, speaker: _Speaker, said: dict[str, object], reason: str | None = None) -> bytes:
        return self.frame.chunk([{"index": speaker.index, **said, "finish_reason": reason}])


def _extra(signature: str) -> dict[str, object]:
    return {"google": {"thought_signature": signature}}


def _arguments(given: msgspec.Raw) -> str:
    """The object as text; without arguments it is left out."""
    text = msgspec.json.format(bytes(given), indent=-1).decode("utf-8", "replace")
    return "{}" if text == "null" else text
