"""A blob made whole again beside its damaged copy. Knows nothing about where the missing bytes come from.

What is right is copied, what is wrong is written anew, and only a file whose every byte has been found right takes the
blob's place. A kill leaves a draft that nobody reads and the next repair overwrites. Everything here blocks, and takes
a lock, because a cancelled task leaves its thread behind.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO

from roundhouse.core.artifacts import Digest, Fingerprint, Stretch
from roundhouse.disk.durable import hash_file, sync_folder

_COPY_BYTES = 1 << 20


class Draft:
    """One file on its way to be right."""

    def __init__(self, folder: Path, digest: Digest) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path, self._digest = draft_of(folder, digest), digest
        self._lock = threading.Lock()
        self._file: BinaryIO = os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "r+b", 0)

    def copy(self, damaged: Path | None, known: Fingerprint, wrong: Collection[int]) -> None:
        """Take the chunks of *damaged* that are right, if there is anything of it. Raises OSError."""
        with self._lock:
            self._file.truncate(known.size)
            if damaged is None or len(wrong) == len(known.chunks):
                return
            with damaged.open("rb", buffering=0) as source:
                for number in set(range(len(known.chunks))) - set(wrong):
                    self._copy(source, known.stretch(number))

    def _copy(self, source: BinaryIO, stretch: Stretch) -> None:
        source.seek(stretch.offset)
        self._file.seek(stretch.offset)
        left = stretch.length
        while left and (block := source.read(min(left, _COPY_BYTES))):
            self._write(block)
            left -= len(block)

    def put(self, offset: int, block: bytes) -> None:
        """Write what was missing. Raises OSError."""
        with self._lock:
            self._file.seek(offset)
            self._write(block)

    def _write(self, block: bytes) -> None:
        left = memoryview(block)
        while left:
            left = left[self._file.write(left) or 0 :]

    def finish(self, place: Path) -> os.stat_result | None:
        """Put the file in its *place*; how it is there. ``None`` when it is not right: then the place is as it was."""
        with self._lock:
            os.fsync(self._file.fileno())
            if hash_file(self._path) != self._digest:
                return None
            place.parent.mkdir(parents=True, exist_ok=True)
            self._path.replace(place)
            sync_folder(place.parent)
            return os.fstat(self._file.fileno())

    def close(self) -> None:
        """Let go of it, and leave nothing that did not get to its place."""
        with self._lock:
            self._file.close()
            self._path.unlink(missing_ok=True)


def draft_of(folder: Path, digest: Digest) -> Path:
    """Where the draft of *digest* lies while it is made."""
    return folder / f"sha256-{digest}.repair"
