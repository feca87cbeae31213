"""Pictures, sound, films and documents of a request as Google's API must get them. Pure; fetches nothing.

What is in the request itself goes along as it is; an ``https:`` address or the name of an uploaded file is passed on
for Google to open.
"""

from __future__ import annotations

import mimetypes

import msgspec

from roundhouse.core.errors import SchemaError

_SOUNDS = {"wav": "audio/wav", "mp3": "audio/mp3"}


class Address(msgspec.Struct):
    """Where a picture or a film is."""

    url: str


class Sound(msgspec.Struct):
    """Sound in the request itself."""

    data: str
    format: str = "wav"


class File(msgspec.Struct):
    """A document, in the request itself or uploaded to Google before."""

    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


def of_address(address: str, what: str) -> dict[str, object]:
    """The part for a ``data:`` or ``https:`` address. Raises SchemaError."""
    if address.startswith("data:"):
        head, comma, data = address.partition(",")
        kind, *rest = head.removeprefix("data:").split(";")
        if not comma or not kind or "base64" not in rest:
            message = f"{what} must be in base64, and say of what type it is (data:image/png;base64,…)"
            raise SchemaError(message)
        return _inline(kind, data)
    if address.startswith("https://"):
        found = {"fileUri": address}
        kind = mimetypes.guess_type(address.partition("?")[0])[0] or ""
        return {"fileData": found | {"mimeType": kind} if kind else found}
    message = f"{what} must be in the request itself (data:…) or at an https address"
    raise SchemaError(message)


def of_sound(sound: Sound) -> dict[str, object]:
    """The part for sound. Raises SchemaError."""
    return _inline(_SOUNDS.get(sound.format, f"audio/{sound.format}"), sound.data)


def of_file(file: File) -> dict[str, object]:
    """The part for a document. Raises SchemaError."""
    if file.file_data is not None:
        if file.file_data.startswith("data:"):
            return of_address(file.file_data, "a file")
        kind = mimetypes.guess_type(file.filename or "")[0] or "application/pdf"
        return _inline(kind, file.file_data)
    if file.file_id is not None:
        if not file.file_id.startswith("https://"):
            message = "file_id must be the https address that Google gave the file when it was uploaded"
            raise SchemaError(message)
        return {"fileData": {"fileUri": file.file_id}}
    message = "a file needs file_data or file_id"
    raise SchemaError(message)


def _inline(kind: str, data: str) -> dict[str, object]:
    # Whether it is base64 is left to Google to say: to look at megabytes twice would keep everybody else waiting.
    return {"inlineData": {"mimeType": kind, "data": data}}
