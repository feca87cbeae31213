"""Requests as the gateway would make them of a client's body. Knows nothing about who answers."""

from __future__ import annotations

import json
from collections.abc import Mapping

from roundhouse.core.inference import Capability, InferenceRequest, Operation, Profile

_NEEDS = {
    Operation.CHAT: Capability.CHAT,
    Operation.COMPLETION: Capability.COMPLETION,
    Operation.EMBEDDING: Capability.EMBEDDING,
    Operation.RERANK: Capability.RERANK,
}


#: Greedy, so that the same question gets the same answer.
_LIMITS: Mapping[str, object] = {"max_tokens": 8, "temperature": 0}


def ask(
    operation: Operation, body: Mapping[str, object] | None = None, *, stream: bool = False, timeout_s: float = 60.0
) -> InferenceRequest:
    """Make a request of any body."""
    whole = {"model": "auto", **(body or {}), **({"stream": True} if stream else {})}
    profile = Profile(operation, "auto", frozenset({_NEEDS[operation]}), prompt_tokens=8)
    return InferenceRequest("request", profile, json.dumps(whole).encode(), stream=stream, timeout_s=timeout_s)


def ask_chat(
    text: str = "the engine turns", *, stream: bool = False, timeout_s: float = 60.0, **fields: object
) -> InferenceRequest:
    """Make a chat of one message, with eight tokens to answer."""
    body = {**_LIMITS, "messages": [{"role": "user", "content": text}], **fields}
    return ask(Operation.CHAT, body, stream=stream, timeout_s=timeout_s)


def ask_completion(prompt: str = "the engine turns", *, stream: bool = False) -> InferenceRequest:
    """Make a completion, with eight tokens to answer."""
    return ask(Operation.COMPLETION, {**_LIMITS, "prompt": prompt}, stream=stream)


def ask_embedding(*texts: str, **fields: object) -> InferenceRequest:
    """Make a request for embeddings."""
    return ask(Operation.EMBEDDING, {"input": list(texts) or ["the engine turns"], **fields})


def ask_rerank(query: str = "the engine turns", *documents: object, **fields: object) -> InferenceRequest:
    """Make a request to order documents."""
    return ask(Operation.RERANK, {"query": query, "documents": list(documents) or ["steam", "the wheel"], **fields})
