"""A request analysed: what it needs and about how long it is. Knows nothing about who could serve it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from roundhouse.core.inference import Capability, Operation, Profile

#: Bytes of JSON per token, low enough that English prose is overestimated rather than underestimated.
_BYTES_PER_TOKEN = 3.6
#: What an image costs in most models, whatever its bytes.
_TOKENS_PER_IMAGE = 800

_ITSELF = {
    Operation.CHAT: Capability.CHAT,
    Operation.COMPLETION: Capability.COMPLETION,
    Operation.EMBEDDING: Capability.EMBEDDING,
    Operation.RERANK: Capability.RERANK,
}
_IMAGE_PARTS = frozenset({"image_url", "input_image"})


def profile_of(operation: Operation, model: str, body: Mapping[str, object], size: int) -> Profile:
    """What routing may know about *body*, a JSON object in OpenAI's shape that came as *size* bytes.

    Fields of an unexpected type are the backend's business: here they need nothing.
    """
    if operation is not Operation.CHAT:
        share = _share_of_pair(body) if operation is Operation.RERANK else _share_of_longest(_inputs(body))
        tokens = share * size / _BYTES_PER_TOKEN
        return Profile(operation, model, frozenset({_ITSELF[operation]}), int(tokens), _max_tokens(body))
    images = list(_images(body.get("messages")))
    needs = {Capability.CHAT}
    if body.get("tools") or body.get("functions"):
        needs.add(Capability.TOOLS)
    if images:
        needs.add(Capability.VISION)
    form = body.get("response_format")
    if isinstance(form, Mapping) and form.get("type") == "json_schema":
        needs.add(Capability.JSON_SCHEMA)
    tokens = (size - sum(images)) / _BYTES_PER_TOKEN + len(images) * _TOKENS_PER_IMAGE
    return Profile(operation, model, frozenset(needs), max(0, int(tokens)), _max_tokens(body))


def _max_tokens(body: Mapping[str, object]) -> int | None:
    for key in ("max_completion_tokens", "max_tokens"):
        limit = body.get(key)
        if isinstance(limit, int) and limit > 0:
            return limit
    return None


def _images(messages: object) -> Iterator[int]:
    """The length of each image's address, which is the image itself when it is inline."""
    for message in messages if isinstance(messages, list) else ():
        content = message.get("content") if isinstance(message, Mapping) else None
        for part in content if isinstance(content, list) else ():
            if isinstance(part, Mapping) and part.get("type") in _IMAGE_PARTS:
                image = part.get("image_url")
                address = image.get("url") if isinstance(image, Mapping) else image
                yield len(address) if isinstance(address, str) else 0


def _inputs(body: Mapping[str, object]) -> object:
    return body.get("input") or body.get("prompt")


def _share_of_pair(body: Mapping[str, object]) -> float:
    """Of a query and its documents, the share of the query and the longest: each pair has the context for itself."""
    documents, query = body.get("documents"), body.get("query")
    texts = [_text(each) for each in documents] if isinstance(documents, list) else []
    asked = len(query) if isinstance(query, str) else 0
    lengths = [len(text) for text in texts]
    return (asked + max(lengths, default=0)) / (asked + sum(lengths) or 1)


def _text(document: object) -> str:
    text = document.get("text") if isinstance(document, Mapping) else document
    return text if isinstance(text, str) else ""


def _share_of_longest(texts: object) -> float:
    """Of several inputs in one request, the share of the longest: each has the context for itself."""
    if not isinstance(texts, list) or not texts or not all(isinstance(each, str | list) for each in texts):
        return 1.0
    lengths = [len(each) for each in texts]
    return max(lengths) / (sum(lengths) or 1)
