"""Requests as the gateway would make them of a client's body. Knows nothing about who answers."""

from __future__ import annotations

import json

from roundhouse.core.inference import Capability, InferenceRequest, Operation, Profile

_NEEDS = {
    Operation.CHAT: Capability.CHAT,
    Operation.COMPLETION: Capability.COMPLETION,
    Operation.EMBEDDING: Capability.EMBEDDING,
}


def ask(operation: Operation, *, timeout_s: float = 60.0, **fields: object) -> InferenceRequest:
    """Make a request of any body."""
    body = {"model": "auto", **fields}
    profile = Profile(operation, "auto", frozenset({_NEEDS[operation]}), prompt_tokens=8)
    stream = bool(fields.get("stream"))
    return InferenceRequest("request", profile, json.dumps(body).encode(), stream=stream, timeout_s=timeout_s)


def ask_chat(text: str = "the engine turns", *, timeout_s: float = 60.0, **fields: object) -> InferenceRequest:
    """Make a chat of one message, with eight tokens to answer."""
    given: dict[str, object] = {"messages": [{"role": "user", "content": text}], "max_tokens": 8}
    return ask(Operation.CHAT, timeout_s=timeout_s, **{**given, **fields})


def ask_completion(prompt: str = "the engine turns", **fields: object) -> InferenceRequest:
    """Make a completion, with eight tokens to answer."""
    return ask(Operation.COMPLETION, **{"prompt": prompt, "max_tokens": 8, **fields})


def ask_embedding(*texts: str, **fields: object) -> InferenceRequest:
    """Make a request for embeddings."""
    return ask(Operation.EMBEDDING, **{"input": list(texts) or ["the engine turns"], **fields})
