"""What each GGUF model can do, read from its headers once and remembered. Knows nothing about what follows from it.

Reading one takes a third of a second, for there is a vocabulary to step over: too long for every start.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from pathlib import Path

import msgspec
import structlog

from roundhouse.backends.llamacpp.abilities import RULES, abilities_of
from roundhouse.core.artifacts import Artifact, Digest
from roundhouse.core.errors import RoundhouseError
from roundhouse.core.inference import Capability
from roundhouse.library.formats.parts import projector_of
from roundhouse.library.gguf import read_header

_log = structlog.get_logger("roundhouse.shelf")

#: Where the bytes of a file are.
Place = Callable[[Digest], Path]


class _Kept(msgspec.Struct, frozen=True):
    """The file that remembers."""

    #: Of which rules these are the outcome.
    rules: int
    #: By the digests of weights and projector.
    abilities: dict[str, frozenset[Capability]]


class Cards:
    """What was read so far; *file* outlives the process, and may be deleted at any time."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._kept: dict[str, frozenset[Capability]] = {}
        #: Of headers that cannot be read: nothing is known, and nobody tries again in this process.
        self._unread: set[str] = set()
        self._writing = threading.Lock()

    def open(self) -> None:
        """Take up what is kept. Blocks. Never raises."""
        try:
            kept = msgspec.json.decode(self._file.read_bytes(), type=_Kept)
        except (OSError, ValueError):
            return
        if kept.rules == RULES:
            self._kept = kept.abilities

    def known(self, artifact: Artifact) -> frozenset[Capability]:
        """What *artifact* can do, if it was read before; else nothing."""
        return self._kept.get(_key(artifact), frozenset())

    def read(self, artifacts: Collection[Artifact], place: Place) -> None:
        """Read those of *artifacts* that are not known, and forget what is not among them. Blocks. Never raises."""
        with self._writing:
            by_key = {_key(artifact): artifact for artifact in artifacts}
            fresh = by_key.keys() - self._kept.keys() - self._unread
            stale = self._kept.keys() - by_key.keys()
            self._unread &= by_key.keys()
            read = {key: abilities for key in fresh if (abilities := self._look(by_key[key], place))}
            if read or stale:
                self._kept = {key: each for key, each in self._kept.items() if key not in stale} | read
                self._write()

    def _look(self, artifact: Artifact, place: Place) -> frozenset[Capability]:
        projector = projector_of(artifact.files)
        try:
            model = read_header(place(artifact.files[0].digest)).metadata
            beside = None if projector is None else read_header(place(projector.digest)).metadata
        except (OSError, RoundhouseError) as error:
            _log.warning("a header cannot be read", model=artifact.model, reason=str(error))
            self._unread.add(_key(artifact))
            return frozenset()
        return abilities_of(model, beside)

    def _write(self) -> None:
        draft = self._file.with_suffix(".part")
        try:
            draft.write_bytes(msgspec.json.encode(_Kept(RULES, self._kept)))
            draft.replace(self._file)
        except OSError as error:
            _log.warning("what models can do is not remembered", reason=str(error))


def _key(artifact: Artifact) -> str:
    """What tells its headers from any others."""
    projector = projector_of(artifact.files)
    return str(artifact.files[0].digest) + (f"+{projector.digest}" if projector else "")
