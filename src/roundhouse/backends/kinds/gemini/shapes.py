"""Google's answers, read as far as we must; a piece of a stream and a whole answer have the same shape. Pure.

Traps: what is zero or empty is left out (parts, candidates, the index of the first); thinking is counted apart from
what is said; and an error may stand where an answer should.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from roundhouse.backends.kinds.gemini.failures import failure_in_stream
from roundhouse.backends.wire.failures import excerpt
from roundhouse.core.errors import BackendError
from roundhouse.core.inference import TokenUsage

_NO_ERROR = (b"", b"null", b"{}")
_NO_END = (None, "", "FINISH_REASON_UNSPECIFIED")
#: As many as JavaScript can count, so that sums of a few can be written, too.
_Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)] | None
_Index = Annotated[int, msgspec.Meta(ge=0, le=127)]


class _Shape(msgspec.Struct, gc=False, rename="camel"):
    pass


class FunctionCall(_Shape):
    """A tool that the model calls."""

    name: str = ""
    args: msgspec.Raw = msgspec.Raw(b"{}")
    id: str | None = None


class Blob(_Shape):
    """A picture that the model made, in base64."""

    mime_type: str = ""
    data: str = ""


class Part(_Shape):
    """One thing that is said, thought, shown or called."""

    text: str | None = None
    thought: bool = False
    thought_signature: str | None = None
    function_call: FunctionCall | None = None
    inline_data: Blob | None = None


class _Content(_Shape):
    parts: list[Part] | None = None


class _Token(_Shape):
    token: str = ""
    log_probability: float = 0.0

    def written(self) -> dict[str, object]:
        return {"token": self.token, "logprob": self.log_probability, "bytes": list(self.token.encode())}


class _Top(_Shape):
    candidates: list[_Token] | None = None


class Logprobs(_Shape):
    """How likely each token was, and which others would have been."""

    chosen_candidates: list[_Token] | None = None
    top_candidates: list[_Top] | None = None

    def written(self) -> dict[str, object]:
        """The same as OpenAI writes it."""
        chosen, top = self.chosen_candidates or [], self.top_candidates or []
        others = [[each.written() for each in step.candidates or ()] for step in top]
        others += [[] for _ in range(len(chosen) - len(others))]
        return {"content": [{**one.written(), "top_logprobs": rest} for one, rest in zip(chosen, others, strict=False)]}


class Candidate(_Shape):
    """One answer, or a piece of it."""

    content: _Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    index: _Index = 0
    logprobs_result: Logprobs | None = None

    @property
    def ending(self) -> str | None:
        """Why it ended, if it did."""
        return None if self.finish_reason in _NO_END else self.finish_reason

    @property
    def parts(self) -> list[Part]:
        """What is said; empty when that was left out."""
        return (self.content.parts if self.content is not None else None) or []


class _Feedback(_Shape):
    block_reason: str | None = None
    block_reason_message: str | None = None


class Counted(_Shape):
    """Tokens as Google counts them."""

    prompt_token_count: _Count = None
    tool_use_prompt_token_count: _Count = None
    cached_content_token_count: _Count = None
    candidates_token_count: _Count = None
    thoughts_token_count: _Count = None

    @property
    def tokens(self) -> TokenUsage:
        """The same in our words: what is thought is paid for like what is said."""
        return TokenUsage(
            prompt=(self.prompt_token_count or 0) + (self.tool_use_prompt_token_count or 0),
            completion=(self.candidates_token_count or 0) + (self.thoughts_token_count or 0),
            cached=self.cached_content_token_count or 0,
        )

    def written(self) -> dict[str, object]:
        """The same as OpenAI writes it."""
        tokens = self.tokens
        total = tokens.prompt + tokens.completion
        usage: dict[str, object] = {
            "prompt_tokens": tokens.prompt,
            "completion_tokens": tokens.completion,
            "total_tokens": total,
        }
        if tokens.cached:
            usage["prompt_tokens_details"] = {"cached_tokens": tokens.cached}
        if self.thoughts_token_count:
            usage["completion_tokens_details"] = {"reasoning_tokens": self.thoughts_token_count}
        return usage


class Piece(_Shape):
    """A whole answer, or one event of a stream."""

    candidates: list[Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: Counted | None = None
    error: msgspec.Raw = msgspec.Raw()

    @property
    def refusal(self) -> str | None:
        """Why the prompt was not even answered; ``None`` when it was."""
        feedback = self.prompt_feedback
        if self.candidates or feedback is None or not feedback.block_reason:
            return None
        reason = feedback.block_reason_message or feedback.block_reason
        return f"Google blocked the prompt: {excerpt(reason.encode('utf-8', 'replace'))}"


_piece = msgspec.json.Decoder(Piece).decode


def read_piece(data: bytes) -> Piece:
    """One answer or event. Raises the error that it is, or BackendError."""
    try:
        piece = _piece(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        if data.lstrip().startswith(b"["):
            raise failure_in_stream(data) from error
        message = f"that is not what Google answers ({error}): {excerpt(data)}"
        raise BackendError(message) from error
    if bytes(piece.error) not in _NO_ERROR:
        raise failure_in_stream(data)
    return piece
