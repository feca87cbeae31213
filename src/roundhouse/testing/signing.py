"""Signature files as OpenSSF model signing writes them, for tests. Knows nothing about who checks them."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

PAYLOAD = "application/vnd.in-toto+json"
Json = dict[str, object]


class Signer:
    """Somebody with a key."""

    def __init__(self, curve: ec.EllipticCurve | None = None) -> None:
        self._key = ec.generate_private_key(curve or ec.SECP256R1())
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        self.pem = self._key.public_key().public_bytes(serialization.Encoding.PEM, form)

    def publish(self, path: Path) -> Path:
        """Write the public key to *path*."""
        path.write_bytes(self.pem)
        return path

    def sign(self, files: Mapping[str, bytes]) -> bytes:
        """Sign a folder that holds *files*."""
        return self.seal(json.dumps(statement(files)).encode())

    def seal(self, payload: bytes, **changed: object) -> bytes:
        """Put *payload* into an envelope; members of the bundle may be *changed* after it was signed."""
        digest = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}[self._key.key_size]
        over = f"DSSEv1 {len(PAYLOAD)} {PAYLOAD} {len(payload)} ".encode() + payload
        signature = self._key.sign(over, ec.ECDSA(digest))
        envelope = {"payload": _text(payload), "payloadType": PAYLOAD, "signatures": [{"sig": _text(signature)}]}
        bundle: Json = {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {"publicKey": {"hint": hashlib.sha256(self.pem).hexdigest()}, "tlogEntries": []},
            "dsseEnvelope": envelope,
        }
        return json.dumps(bundle | changed).encode()


def statement(files: Mapping[str, bytes]) -> Json:
    """What is said about *files*, in alphabetical order."""
    digests = {name: hashlib.sha256(files[name]) for name in sorted(files)}
    whole = hashlib.sha256(b"".join(each.digest() for each in digests.values())).hexdigest()
    resources = [{"name": name, "algorithm": "sha256", "digest": each.hexdigest()} for name, each in digests.items()]
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "tiny", "digest": {"sha256": whole}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {
            "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False},
            "resources": resources,
        },
    }


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
