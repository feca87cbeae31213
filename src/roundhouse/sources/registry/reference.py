"""What follows ``ollama:``, taken apart. Pure; knows nothing about what a registry answers.

As with container images, the first part is a host when it could be nothing else: it holds a dot or a port, or it is
``localhost``. Everything else is looked up at the registry of the settings, and single names below ``library``, as
Ollama does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from yarl import URL

from roundhouse.core.artifacts import Digest
from roundhouse.core.errors import SchemaError
from roundhouse.sources.connector import is_loopback

_NAMESPACE, _TAG = "library", "latest"
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}", re.ASCII)
_HOST = re.compile(
    r"(?:[A-Za-z0-9][A-Za-z0-9-]*(?:\.[A-Za-z0-9][A-Za-z0-9-]*)*|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?", re.ASCII
)
_HINT = "write ollama:name:tag, ollama:owner/name:tag or ollama:host/owner/name:tag"


@dataclass(frozen=True, slots=True)
class Place:
    """One manifest of one registry."""

    origin: URL
    repository: str
    #: A tag; empty when only the digest is named.
    tag: str
    #: Of the manifest itself, when the reference names it.
    digest: Digest | None

    @property
    def model(self) -> str:
        """The name that the model is asked for by: without the host, and without Ollama's own namespace."""
        name = self.repository.removeprefix(f"{_NAMESPACE}/")
        return f"{name}:{self.tag or str(self.digest)[:12]}"

    @property
    def stem(self) -> str:
        """What its files are called."""
        return self.repository.rpartition("/")[2]

    @property
    def manifest(self) -> URL:
        """Where its manifest is."""
        wanted = self.tag if self.digest is None else f"sha256:{self.digest}"
        return URL(f"{self.repository_url}/manifests/{wanted}", encoded=True)

    @property
    def repository_url(self) -> str:
        """Where everything of this repository is."""
        return f"{str(self.origin).rstrip('/')}/v2/{self.repository}"


def parse(ref: str, registry: URL) -> Place:
    """The place that *ref* names, at *registry* when it names no host. Raises SchemaError."""
    name, at, digest = ref.removeprefix("ollama:").partition("@")
    parts = name.split("/")
    origin = _origin(parts.pop(0)) if len(parts) > 1 and _is_host(parts[0]) else None
    parts[-1], colon, tag = parts[-1].partition(":")
    named = [*parts, tag] if colon else parts
    if not all(_PART.fullmatch(part) for part in named) or (at and not digest.startswith("sha256:")):
        message = f"not a reference to a registry: {ref[:200]!r}"
        raise SchemaError(message, hint=_HINT)
    if origin is None and len(parts) == 1:
        parts.insert(0, _NAMESPACE)
    pinned = Digest(digest) if at else None
    return Place(origin or registry, "/".join(parts), tag or ("" if pinned else _TAG), pinned)


def _is_host(part: str) -> bool:
    return "." in part or ":" in part or part == "localhost"


def _origin(host: str) -> URL:
    """Where *host* answers: over https, and on this machine over plain http."""
    try:
        if _HOST.fullmatch(host) is None:
            raise ValueError  # noqa: TRY301 (one way to say no)
        url = URL(f"https://{host}", encoded=True)
        return url.with_scheme("http") if is_loopback(url.host or "") else url
    except ValueError as error:
        message = f"not the host of a registry: {host[:200]!r}"
        raise SchemaError(message, hint=_HINT) from error
