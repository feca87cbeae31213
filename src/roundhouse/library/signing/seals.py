"""Whether the files of a model are those that somebody whom we trust has signed. Everything here blocks.

Knows nothing about registries: it is asked before a model is registered, and whenever it is looked at again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from roundhouse.core.artifacts import ArtifactFile, Digest
from roundhouse.core.errors import VerifyError
from roundhouse.library.signing.bundle import LARGEST, Envelope, read_envelope, read_statement
from roundhouse.library.signing.keys import PublicKey, read_key

#: What the file with the signature is called.
SIGNATURE = "model.sig"
_HINT = "add the publisher's public key to library.signature_keys, or set library.signatures to `present`"


class Mode(StrEnum):
    """What is done about signatures."""

    OFF = "off"
    PRESENT = "present"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class Seal:
    """What the signature of a model is worth."""

    #: The key that signed, and when nobody did, what there is to say about it.
    signed_by: str | None = None
    notice: str | None = None


class Seals:
    """The signatures that are asked for here, and the keys that are trusted."""

    def __init__(self, mode: Mode = Mode.PRESENT, keys: Sequence[Path] = ()) -> None:
        self._mode, self._keys = mode, tuple(keys)

    def check(self, files: Sequence[ArtifactFile], path_of: Callable[[Digest], Path]) -> Seal:
        """Look at the signature of a model, if it has one.

        Raises VerifyError when it is wrong, or when there is none that counts and one is required.
        """
        if self._mode is Mode.OFF:
            return Seal()
        file = next((each for each in files if each.name == SIGNATURE), None)
        if file is None:
            return self._without("it has no signature", None)
        if not self._keys:
            why = "its signature was not checked: library.signature_keys names no key"
            return self._without(why, why)
        return self._judged(read_envelope(_bytes_of(path_of(file.digest))), files)

    def _judged(self, envelope: Envelope, files: Sequence[ArtifactFile]) -> Seal:
        keys = [read_key(path) for path in self._keys]
        candidates = [key for key in keys if envelope.hint in {"", key.fingerprint}] if envelope.by_key else []
        if not candidates:
            why = "its signature is by nobody whose key is in library.signature_keys"
            return self._without(why, why)
        signer = _signer(envelope, candidates)
        told = read_statement(envelope.payload)
        for file in files:
            _check_listed(file, told)
        return Seal(signed_by=signer.label)

    def _without(self, why: str, notice: str | None) -> Seal:
        if self._mode is not Mode.REQUIRED:
            return Seal(notice=notice)
        message = f"a signature is required here, and {why}"
        raise VerifyError(message, hint=_HINT)


def _signer(envelope: Envelope, candidates: Sequence[PublicKey]) -> PublicKey:
    for key in candidates:
        if key.signed(envelope.signature, envelope.signed):
            return key
    message = f"the signature is not the one that {candidates[0].label} would have made"
    raise VerifyError(message, hint="distrust the files, and ask their publisher")


def _check_listed(file: ArtifactFile, told: Mapping[str, frozenset[str]]) -> None:
    """Refuse a file that was not signed. The list may name more files: other quantisations, say."""
    if file.name == SIGNATURE or file.digest in told.get(file.name, frozenset()):
        return
    what = "is not the file that was signed" if file.name in told else "is not among the files that were signed"
    message = f"{file.name} {what}"
    raise VerifyError(message, hint="distrust the files, and ask their publisher")


def _bytes_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST + 1)
    except OSError as error:
        message = f"model.sig cannot be read: {error.strerror or error}"
        raise VerifyError(message, hint="bring it again with `roundhouse models repair`") from error
