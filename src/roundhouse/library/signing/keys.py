"""Public keys that signatures are checked with: elliptic curves, as model signing has them.

Knows nothing about models. `cryptography` is imported when the first key is read: most starts need none.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from roundhouse.core.errors import VerifyError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

#: Bytes of a public key with whatever people write around it.
_LARGEST = 1 << 16


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One key that is trusted here."""

    name: str
    #: The sha256 of the key in PEM, which is what signatures call it.
    fingerprint: str
    key: EllipticCurvePublicKey

    @property
    def label(self) -> str:
        """What people call it."""
        return f"{self.name} ({self.fingerprint[:12]})"

    def signed(self, signature: bytes, data: bytes) -> bool:
        """Whether this key made *signature* over *data*."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - start-up time
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

        digest = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}[self.key.key_size]
        try:
            self.key.verify(signature, data, ec.ECDSA(digest))
        except InvalidSignature:
            return False
        return True


def read_key(path: Path) -> PublicKey:
    """Read a public key in PEM. Raises VerifyError."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - start-up time
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    try:
        with path.open("rb") as file:
            key = serialization.load_pem_public_key(file.read(_LARGEST))
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error
    except (ValueError, UnsupportedAlgorithm):
        raise _unusable(path, "it is not a public key in PEM") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in {"secp256r1", "secp384r1", "secp521r1"}:
        raise _unusable(path, "it is not a key on P-256, P-384 or P-521")
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(path.name, hashlib.sha256(pem).hexdigest(), key)


def _unusable(path: Path, why: str) -> VerifyError:
    message = f"the key {path} cannot be used: {why}"
    return VerifyError(message, hint="set library.signature_keys to files with public keys in PEM")
