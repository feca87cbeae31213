"""Pieces of content in OpenAI's words as blocks of Anthropic's. Pure.

Pictures and documents may be in the request (``data:``) or at an https address, which Anthropic fetches and we do not.
"""

from __future__ import annotations

import base64
import binascii

import msgspec

from roundhouse.core.errors import SchemaError

Block = dict[str, object]

_NOTHING, _NULL = msgspec.Raw(), msgspec.Raw(b"null")
_PICTURES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
#: Blocks in Anthropic's own words, and what of them goes on.
_OWN = {
    "image": ("source",),
    "document": ("source", "title", "context", "citations"),
    "search_result": ("source", "title", "content", "citations"),
}


class _Image(msgspec.Struct):
    url: str


class _File(msgspec.Struct):
    file_data: str | None = None
    file_url: str | None = None
    file_id: str | None = None
    filename: str | None = None


class Part(msgspec.Struct):
    """One piece of a message's content."""

    type: str
    text: str = ""
    refusal: str = ""
    image_url: _Image | str | None = None
    file: _File | None = None
    source: msgspec.Raw = _NOTHING
    title: msgspec.Raw = _NOTHING
    context: msgspec.Raw = _NOTHING
    content: msgspec.Raw = _NOTHING
    citations: msgspec.Raw = _NOTHING
    cache_control: msgspec.Raw = _NOTHING


def blocks_of(content: str | list[Part] | None) -> list[Block]:
    """The same content; text of nothing but white space is refused by Anthropic and says nothing, so it is left out.

    Raises SchemaError.
    """
    if content is None:
        return []
    if isinstance(content, str):
        return [text_block(content)] if says(content) else []
    return [block for part in content if (block := _block(part)) is not None]


def text_block(text: str) -> Block:
    """A block of text."""
    return {"type": "text", "text": text}


def says(text: str) -> bool:
    """Whether there is more than white space."""
    return bool(text) and not text.isspace()


def is_given(raw: msgspec.Raw) -> bool:
    """Whether a field was there and not null."""
    return raw not in (_NOTHING, _NULL)


def marked(block: Block, mark: msgspec.Raw) -> Block:
    """*block* with a breakpoint of the prompt cache, where the client set one."""
    if is_given(mark):
        block["cache_control"] = mark
    return block


def _block(part: Part) -> Block | None:
    kind = part.type
    if kind in {"text", "input_text", "output_text", "refusal"}:
        text = part.text or part.refusal
        return marked(text_block(text), part.cache_control) if says(text) else None
    if kind in {"image_url", "input_image"} and part.image_url is not None:
        url = part.image_url if isinstance(part.image_url, str) else part.image_url.url
        return marked({"type": "image", "source": _picture(url)}, part.cache_control)
    if kind in {"file", "input_file"} and part.file is not None:
        return marked(_document(part.file), part.cache_control)
    if kind in _OWN:
        own = {name: raw for name in _OWN[kind] if is_given(raw := getattr(part, name))}
        return marked({"type": kind, **own}, part.cache_control)
    message = f"messages: Anthropic takes text, pictures and documents, not {kind!r}"
    raise SchemaError(message)


def _picture(address: str) -> Block:
    if address.startswith("https:"):
        return {"type": "url", "url": address}
    media, data = _taken_apart("image_url", address)
    media = "image/jpeg" if media == "image/jpg" else media
    if media not in _PICTURES:
        message = f"messages: Anthropic takes pictures as {', '.join(sorted(_PICTURES))}, not {media!r}"
        raise SchemaError(message)
    return {"type": "base64", "media_type": media, "data": data}


def _document(file: _File) -> Block:
    if file.file_data is None:
        return _document_elsewhere(file)
    media, data = _taken_apart("file_data", file.file_data)
    if media.startswith("image/"):
        return {"type": "image", "source": _picture(file.file_data)}
    if media.startswith("text/"):
        source: Block = {"type": "text", "media_type": "text/plain", "data": _text(data)}
    elif media == "application/pdf":
        source = {"type": "base64", "media_type": media, "data": data}
    else:
        message = f"messages: Anthropic takes files of PDF, text and pictures, not {media!r}"
        raise SchemaError(message)
    return _titled({"type": "document", "source": source}, file)


def _document_elsewhere(file: _File) -> Block:
    if file.file_url is not None and file.file_url.startswith("https:"):
        return _titled({"type": "document", "source": {"type": "url", "url": file.file_url}}, file)
    if file.file_id is not None:
        return _titled({"type": "document", "source": {"type": "file", "file_id": file.file_id}}, file)
    message = "messages: a file needs file_data (data:…;base64,…), an https file_url or a file_id"
    raise SchemaError(message)


def _titled(block: Block, file: _File) -> Block:
    if file.filename:
        block["title"] = file.filename
    return block


def _taken_apart(name: str, address: str) -> tuple[str, str]:
    """The media type and the base64 of a ``data:`` address."""
    head, comma, data = address.partition(",")
    if not head.startswith("data:") or not comma or not head.endswith(";base64"):
        message = f"messages: {name} must be data:…;base64,… or an https address"
        raise SchemaError(message)
    return head[5:-7].partition(";")[0].strip().lower(), data


def _text(data: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError) as error:
        message = f"messages: a file of text is not base64 of UTF-8: {error}"
        raise SchemaError(message) from error
