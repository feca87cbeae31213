"""What the echoing upstream says, in the shapes that OpenAI documents. Knows nothing about HTTP."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

_ID, _CREATED = "chatcmpl-echo", 1_700_000_000


@dataclass(frozen=True, slots=True)
class Saying:
    """What is to be said, and the facts around it."""

    model: str
    words: tuple[str, ...]
    prompt_tokens: int
    #: The tool to call instead of speaking.
    tool: str | None = None
    with_usage: bool = False

    @classmethod
    def of_chat(cls, body: dict[str, Any]) -> Saying:
        """Repeat the last message; call the first tool if there is one."""
        said = " ".join(str(message.get("content") or "") for message in body["messages"])
        last = str(body["messages"][-1].get("content") or "") if body["messages"] else ""
        tools = body.get("tools") or [{}]
        return cls(
            model=body["model"],
            words=_words(last, body),
            prompt_tokens=len(said.split()),
            tool=tools[0].get("function", {}).get("name"),
            with_usage=_wants_usage(body),
        )

    @classmethod
    def of_completion(cls, body: dict[str, Any]) -> Saying:
        """Repeat the prompt."""
        prompt = str(body.get("prompt") or "")
        return cls(body["model"], _words(prompt, body), len(prompt.split()), with_usage=_wants_usage(body))

    @property
    def usage(self) -> dict[str, Any]:
        """Every word is a token; nothing is cached."""
        completion = 1 if self.tool else len(self.words)
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion,
            "total_tokens": self.prompt_tokens + completion,
            "prompt_tokens_details": {"cached_tokens": 0},
        }


def _words(text: str, body: dict[str, Any]) -> tuple[str, ...]:
    limit = body.get("max_tokens") or body.get("max_completion_tokens")
    return tuple((text.split() or ["nothing"])[:limit])


def _wants_usage(body: dict[str, Any]) -> bool:
    return bool((body.get("stream_options") or {}).get("include_usage"))


def chat_answer(saying: Saying) -> dict[str, Any]:
    """A whole chat answer."""
    message: dict[str, Any] = {"role": "assistant", "content": " ".join(saying.words)}
    if saying.tool:
        message = {"role": "assistant", "content": None, "tool_calls": [_call(saying.tool)]}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _reason(saying)}
    return _frame(saying, "chat.completion", choices=[choice], usage=saying.usage)


def chat_chunks(saying: Saying) -> list[dict[str, Any]]:
    """The same in chunks: the role, the words, the finish reason, and the usage if it was asked for."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    if saying.tool:
        deltas.append({"tool_calls": [{"index": 0, **_call(saying.tool)}]})
    else:
        deltas += [{"content": word if number == 0 else f" {word}"} for number, word in enumerate(saying.words)]
    choices: list[dict[str, Any]] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": _reason(saying)})
    return _chunks(saying, "chat.completion.chunk", choices)


def completion_answer(saying: Saying) -> dict[str, Any]:
    """A whole completion."""
    choice = {"index": 0, "text": " ".join(saying.words), "logprobs": None, "finish_reason": "stop"}
    return _frame(saying, "text_completion", choices=[choice], usage=saying.usage)


def completion_chunks(saying: Saying) -> list[dict[str, Any]]:
    """The same in chunks."""
    choices: list[dict[str, Any]] = [
        {"index": 0, "text": word if number == 0 else f" {word}", "finish_reason": None}
        for number, word in enumerate(("", *saying.words))
    ]
    choices.append({"index": 0, "text": "", "finish_reason": "stop"})
    return _chunks(saying, "text_completion", choices)


def _chunks(saying: Saying, kind: str, choices: list[dict[str, Any]]) -> list[dict[str, Any]]:
    chunks = [_frame(saying, kind, choices=[choice]) for choice in choices]
    if saying.with_usage:
        for chunk in chunks:
            chunk["usage"] = None
        chunks.append(_frame(saying, kind, choices=[], usage=saying.usage))
    return chunks


def _frame(saying: Saying, kind: str, **fields: object) -> dict[str, Any]:
    return {"id": _ID, "object": kind, "created": _CREATED, "model": saying.model, **fields}


def _call(tool: str) -> dict[str, Any]:
    return {"id": "call_echo", "type": "function", "function": {"name": tool, "arguments": json.dumps({})}}


def _reason(saying: Saying) -> str:
    return "tool_calls" if saying.tool else "stop"
