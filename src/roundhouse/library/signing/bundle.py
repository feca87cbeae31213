"""A `model.sig` as it is read: a Sigstore bundle around a DSSE envelope around an in-toto statement. Pure.

Knows nothing about keys or about files that are held. What it reads was written by anybody.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, TypeVar

import msgspec

from roundhouse.core.errors import VerifyError

#: Bytes of a signature file, and files that one may name.
LARGEST, _MOST = 4 << 20, 20_000
_PAYLOAD = "application/vnd.in-toto+json"
_STATEMENT = "https://in-toto.io/Statement/v1"
_PREDICATE = "https://model_signing/signature/v1.0"
_HEX = re.compile(r"[0-9a-f]{64}")
_T = TypeVar("_T")


class _Signature(msgspec.Struct, frozen=True):
    sig: str


class _Envelope(msgspec.Struct, frozen=True, rename="camel"):
    payload: str
    payload_type: str
    signatures: tuple[_Signature, ...]


class _PublicKey(msgspec.Struct, frozen=True):
    hint: str = ""


class _Material(msgspec.Struct, frozen=True, rename="camel"):
    public_key: _PublicKey | None = None


class _Bundle(msgspec.Struct, frozen=True, rename="camel"):
    dsse_envelope: _Envelope
    verification_material: _Material = _Material()


class _Subject(msgspec.Struct, frozen=True):
    digest: dict[str, str]


class _Serialization(msgspec.Struct, frozen=True):
    method: str = "files"


class _Resource(msgspec.Struct, frozen=True):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
    algorithm: str
    digest: str


class _Predicate(msgspec.Struct, frozen=True):
    resources: Annotated[tuple[_Resource, ...], msgspec.Meta(max_length=_MOST)]
    serialization: _Serialization = _Serialization()


class _Statement(msgspec.Struct, frozen=True, rename={"kind": "_type", "predicate_type": "predicateType"}):
    kind: str
    predicate_type: str
    subject: tuple[_Subject, ...]
    predicate: _Predicate


@dataclass(frozen=True, slots=True)
class Envelope:
    """What was signed, and by which key if the file says so."""

    payload: bytes
    signature: bytes
    #: The sha256 of the public key in PEM; empty when an older signer did not tell.
    hint: str
    #: Whether a long-lived key signed; a certificate did otherwise.
    by_key: bool

    @property
    def signed(self) -> bytes:
        """The bytes that the signature is over: the encoding that DSSE calls PAE."""
        kind = _PAYLOAD.encode()
        return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(self.payload), self.payload)


def read_envelope(data: bytes) -> Envelope:
    """Read a signature file. Raises VerifyError."""
    if len(data) > LARGEST:
        message = f"the signature has {len(data):,} bytes, {LARGEST:,} are allowed"
        raise VerifyError(message)
    bundle = _decoded(data, _Bundle)
    envelope, material = bundle.dsse_envelope, bundle.verification_material
    if envelope.payload_type != _PAYLOAD or len(envelope.signatures) != 1:
        why = "it holds no in-toto statement with one signature"
        raise _malformed(why)
    key = material.public_key
    payload, signature = _base64(envelope.payload), _base64(envelope.signatures[0].sig)
    return Envelope(payload, signature, "" if key is None else key.hint, by_key=key is not None)


def read_statement(payload: bytes) -> Mapping[str, frozenset[str]]:
    """The digests that were signed, by the last part of the file's name: files lie flat here. Raises VerifyError."""
    statement = _decoded(payload, _Statement)
    if statement.kind != _STATEMENT or statement.predicate_type != _PREDICATE:
        why = "its statement is not one about the files of a model"
        raise _malformed(why)
    resources = statement.predicate.resources
    if statement.predicate.serialization.method != "files" or any(each.algorithm != "sha256" for each in resources):
        why = "it does not tell the sha256 of whole files"
        raise _malformed(why)
    if not all(_HEX.fullmatch(each.digest) for each in resources):
        why = "it holds a digest that is none"
        raise _malformed(why)
    whole = hashlib.sha256(b"".join(bytes.fromhex(each.digest) for each in resources)).hexdigest()
    if [each.digest.get("sha256") for each in statement.subject] != [whole]:
        why = "its list of files is not the one that its subject names"
        raise _malformed(why)
    told: dict[str, frozenset[str]] = {}
    for each in resources:
        name = each.name.rpartition("/")[2]
        told[name] = told.get(name, frozenset()) | {each.digest}
    return told


def _decoded(data: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise _malformed(str(error)[:200]) from None


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        why = "it is not base64 where it should be"
        raise _malformed(why) from None


def _malformed(why: str) -> VerifyError:
    message = f"model.sig cannot be read: {why}"
    return VerifyError(message, hint="ask the publisher for a signature made by OpenSSF model signing 1.0 or later")
