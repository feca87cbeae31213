"""Keys: what ours look like, and recognising one without storing it. Knows nothing about files or headers.

``rh-<kid>-<secret>``: the kid (8 characters) finds the record; the secret is 256 bits and six characters of
CRC-32, both in base 62, so that a scanner can tell a leaked key from noise without asking us. What is
stored is an HMAC-SHA-256 under a pepper that lives elsewhere: a stolen table opens nothing, and the stored
value is no credential. Random keys of that length need no slow hash.
"""

from __future__ import annotations

import hmac
import re
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from roundhouse.access.principal import Principal

PREFIX = "rh-"
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_CHARS, _CRC_CHARS, _KID_CHARS = 43, 6, 8
_FORM = re.compile(rf"rh-([0-9A-Za-z]{{{_KID_CHARS}}})-[0-9A-Za-z]{{{_SECRET_CHARS + _CRC_CHARS}}}")
#: Compared against when the kid is unknown, so that an unknown kid takes as long as a wrong secret.
_NOBODY = bytes(32)


def mint(entropy: Callable[[int], bytes]) -> str:
    """Make a new key from *entropy* (``secrets.token_bytes``). Shown once, never stored."""
    kid = _base62(int.from_bytes(entropy(8), "big"), _KID_CHARS)
    secret = _base62(int.from_bytes(entropy(32), "big"), _SECRET_CHARS)
    return f"{PREFIX}{kid}-{secret}{_checksum(kid, secret)}"


def kid_of(key: str) -> str | None:
    """The public part of *key*; ``None`` when it is not of our form or its checksum is wrong."""
    matched = _FORM.fullmatch(key)
    if matched is None:
        return None
    kid, body = matched[1], key[len(PREFIX) + _KID_CHARS + 1 :]
    return kid if body[_SECRET_CHARS:] == _checksum(kid, body[:_SECRET_CHARS]) else None


def _checksum(kid: str, secret: str) -> str:
    return _base62(zlib.crc32(f"{kid}{secret}".encode("ascii")), _CRC_CHARS)


def _base62(number: int, width: int) -> str:
    """The last *width* digits of *number*."""
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What is kept of a key."""

    kid: str
    mac: bytes = field(repr=False)
    principal: Principal


class Keyring:
    """The keys that are valid now."""

    __slots__ = ("_pepper", "_records")

    def __init__(self, pepper: bytes, records: Iterable[KeyRecord] = ()) -> None:
        self._pepper = pepper
        self._records = {record.kid: record for record in records}

    def add(self, key: str, principal: Principal) -> KeyRecord | None:
        """Accept *key* from now on; ``None`` when it is not of our form."""
        kid = kid_of(key)
        if kid is None:
            return None
        record = KeyRecord(kid, self._mac(key), principal)
        self._records[kid] = record
        return record

    def recognise(self, key: str) -> Principal | None:
        """Whose *key* this is, in the same time whether its kid is known or not."""
        # No checksum here: the MAC covers it, and this is paid by every request.
        matched = _FORM.fullmatch(key)
        record = self._records.get(matched[1]) if matched else None
        known = record.mac if record else _NOBODY
        return record.principal if hmac.compare_digest(self._mac(key), known) and record else None

    def _mac(self, key: str) -> bytes:
        return hmac.digest(self._pepper, key.encode("utf-8", "surrogateescape"), "sha256")
