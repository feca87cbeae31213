"""Putting a model into a registry, as ``ollama push`` does: blobs first, then the manifest that names them.

Knows nothing about the registry but the protocol, so that it fills the real one and the fake alike.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp
from yarl import URL

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
OLLAMA = "application/vnd.ollama.image."
#: A registry that wants tokens is satisfied with any here.
_HEADERS = {"Authorization": "Bearer pushing"}


@dataclass(frozen=True, slots=True)
class Layer:
    """Bytes, and what they are."""

    media_type: str
    data: bytes

    @property
    def digest(self) -> str:
        """The name of these bytes."""
        return f"sha256:{hashlib.sha256(self.data).hexdigest()}"

    def described(self) -> dict[str, object]:
        """As a manifest names it."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.data)}


_CONFIG = Layer("application/vnd.docker.container.image.v1+json", b'{"model_format":"gguf"}')


def a_manifest(layers: Sequence[Layer]) -> bytes:
    """The manifest of a model of *layers*."""
    listed = [layer.described() for layer in layers]
    facts = {"schemaVersion": 2, "mediaType": MANIFEST, "config": _CONFIG.described(), "layers": listed}
    return json.dumps(facts).encode()


async def push(registry: str, repository: str, tag: str, layers: Sequence[Layer]) -> str:
    """Put a model of *layers* there; the digest of its manifest."""
    manifest = a_manifest(layers)
    async with aiohttp.ClientSession(headers=_HEADERS, raise_for_status=True) as session:
        for layer in (*layers, _CONFIG):
            async with session.post(f"{registry}/v2/{repository}/blobs/uploads/") as started:
                place = URL(registry).join(URL(started.headers["Location"], encoded=True))
            async with session.put(place.extend_query({"digest": layer.digest}), data=io.BytesIO(layer.data)):
                pass
        headers = {"Content-Type": MANIFEST}
        async with session.put(f"{registry}/v2/{repository}/manifests/{tag}", data=manifest, headers=headers):
            pass
    return f"sha256:{hashlib.sha256(manifest).hexdigest()}"
