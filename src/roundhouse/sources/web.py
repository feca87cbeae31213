"""A model behind an https address: ``https://…/model.gguf#sha256=…``. Knows nothing about hubs.

The digest is required: it is all that tells the file we want from the file that somebody put there.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from urllib.parse import unquote

from yarl import URL

from roundhouse.core.artifacts import Digest, FileName, Plan, PlannedFile
from roundhouse.core.errors import PolicyError, SchemaError
from roundhouse.core.ports import ByteStream
from roundhouse.sources.connector import Guard, is_loopback
from roundhouse.sources.naming import model_name, refuse_other_formats
from roundhouse.sources.ranges import Remote, Validators, head, open_range


class WebSource:
    """Any web server; plain http only on this machine."""

    scheme = "https"

    def __init__(self) -> None:
        self._validators = Validators()

    async def resolve(self, ref: str) -> Plan:
        """The one file behind *ref*. Raises SchemaError, PolicyError, NotFoundError, AuthError, NetworkError."""
        url, digest = _parse(ref)
        # What follows the question mark may be a signature; people see the address without it.
        shown = str(url.with_query(None))
        name = FileName(unquote(url.raw_name or "") or "model.gguf")
        refuse_other_formats(name)
        headers = await head(_remote(name, url))
        length = "" if headers is None else headers.get("Content-Length", "")
        # Some servers answer HEAD with a length of 0 whatever the file: that is no promise.
        size = int(length) or None if length.isdecimal() else None
        file = PlannedFile(name, size, digest, str(url))
        return Plan(f"{shown}#sha256={digest}", self.scheme, model_name(name), f"sha256:{digest}", (file,))

    def open(
        self, file: PlannedFile, offset: int, length: int | None = None
    ) -> AbstractAsyncContextManager[ByteStream]:
        """The bytes of *file* from *offset* on, *length* of them if given."""
        url = URL(file.locator, encoded=True)
        return open_range(_remote(file.name, url), offset, self._validators, file.locator, length)


def _remote(name: str, url: URL) -> Remote:
    host = url.host or ""
    return Remote(name, url, Guard([host] if is_loopback(host) else ()))


def _parse(ref: str) -> tuple[URL, Digest]:
    """The address and the digest. Raises SchemaError, PolicyError."""
    address, _, fragment = ref.partition("#")
    try:
        url = URL(address, encoded=True)
        host = url.host
    except ValueError:
        host = None
    if not host or url.scheme not in {"http", "https"}:
        message = "not a web address"
        raise SchemaError(message, hint="write https://host/path/model.gguf#sha256=…")
    if url.user is not None or url.password is not None:
        message = "a reference must not hold a user name or a password: references are kept and shown"
        raise SchemaError(message, hint="download the file yourself and pull it from the folder")
    if url.scheme == "http" and not is_loopback(host):
        message = f"plain http to {host}: anybody on the way could watch"
        raise PolicyError(message, hint="use https")
    if not fragment.startswith("sha256="):
        message = "a web address needs the digest of the file behind it"
        raise SchemaError(message, hint="append #sha256= and the 64 digits that its publisher names")
    return url, Digest(fragment.removeprefix("sha256="))
