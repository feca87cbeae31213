"""What hostile or broken servers answer: real answers with pieces changed, and bytes that are no text."""

import json
from random import Random
from typing import Any

_KEYS = (
    "choices", "index", "delta", "message", "content", "text", "finish_reason", "usage", "prompt_tokens",
    "completion_tokens", "cached_tokens", "error", "prompt_tokens_details", "code", "type", "tool_calls", "function",
    "arguments", "name", "id", "object", "data", "embedding", "results", "meta", "tokens", "relevance_score",
    "input_tokens", "billed_units", "total_tokens", "cost", "x_groq", "reasoning", "reasoning_content", "content_block",
    "partial_json", "thinking", "signature", "stop_reason", "stop_details", "explanation", "output_tokens",
    "candidates", "parts", "functionCall", "args", "inlineData", "mimeType", "finishReason", "usageMetadata",
    "promptTokenCount", "logprobsResult", "chosenCandidates", "token", "topCandidates", "logProbability",
    "promptFeedback", "blockReason", "done", "response", "eval_count", "prompt_eval_count", "load_duration", "logprobs",
    "embeddings", "values", "details", "retryDelay", "violations", "quotaId", "quotaValue", "status", "detail", "input",
    "model", "redacted_thinking",
)  # fmt: skip
_WORDS = (
    "x", "²", "error", "stop", "message_start", "content_block_start", "content_block_delta", "content_block_stop",
    "length", "message_delta", "message_stop", "text", "tool_use", "thinking", "STOP", "MAX_TOKENS", "assistant",
    "text_delta", "404", "list", "chat.completion", "end_turn", "😀",
)  # fmt: skip
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2.5, 1e308, 10**30, -(10**30), [], {}, "", "\0", "9" * 5000, "9" * 330 + "s"),
    *_WORDS,
)
_BYTES = (b"\xff", b"\\q", b"\\ud800", b"\x00", b"[", b"}", b"[" * 2000)
_SEEDS: tuple[dict[str, Any], ...] = (
    {"choices": [{"index": 0, "delta": {"content": "a", "reasoning": "r"}, "finish_reason": None}], "usage": {}},
    {"choices": [{"index": 0, "message": {"content": "a"}, "finish_reason": "stop", "usage": {"prompt_tokens": 1}}]},
    {"data": [{"index": 0, "embedding": [0.1]}], "model": "m"},
    {"results": [{"index": 0, "relevance_score": 0.5}], "meta": {"tokens": {"input_tokens": 3}}},
    {"error": {"message": "x", "type": "t", "code": "429"}},
    {"error": {"code": 429, "message": "m", "status": "S", "details": [{"retryDelay": "3s"}]}},
    {"type": "message_start", "message": {"usage": {"input_tokens": 3}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "a", "name": "n"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
    {"content": [{"type": "text", "text": "x"}], "stop_reason": "end_turn", "usage": {"input_tokens": 1}},
    {"candidates": [{"content": {"parts": [{"text": "x"}, {"functionCall": {"name": "f"}}]}, "finishReason": "STOP"}]},
    {"message": {"content": "x", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}, "done": True},
    {"embeddings": [{"values": [1, 2]}]},
    {"embeddings": [[1, 2]], "prompt_eval_count": 3},
)


def hostile(random: Random) -> bytes:
    """One answer, or one piece of a stream."""
    text = json.dumps(_changed(random.choice(_SEEDS), random), ensure_ascii=random.random() < 0.5)
    data = text.encode("utf-8", "surrogatepass")
    if random.random() < 0.75:
        return data
    place = random.randrange(len(data))
    return data[:place] + random.choice(_BYTES) + data[place + random.randint(0, 1) :]


def _changed(value: Any, random: Random) -> Any:
    """The same with another value here and there, and keys that belong elsewhere."""
    if random.random() < 0.12:
        return _any(2, random)
    if isinstance(value, list):
        return [_changed(each, random) for each in value]
    if not isinstance(value, dict):
        return value
    made = {key: _changed(each, random) for key, each in value.items() if random.random() < 0.95}
    return {**made, random.choice(_KEYS): _any(2, random)} if random.random() < 0.2 else made


def _any(depth: int, random: Random) -> Any:
    kind = random.random()
    if not depth or kind < 0.35:
        return random.choice(_VALUES)
    if kind < 0.55:
        return [_any(depth - 1, random) for _ in range(random.randint(0, 3))]
    return {random.choice(_KEYS): _any(depth - 1, random) for _ in range(random.randint(0, 4))}
