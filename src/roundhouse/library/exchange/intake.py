"""Files of a bundle on their way to the blobs: each whole and right, and all of them, before one is put in its place.

Knows nothing about tars. Everything here blocks.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from roundhouse.core.artifacts import Digest
from roundhouse.core.errors import DiskError, VerifyError
from roundhouse.disk.durable import sync_folder
from roundhouse.library.blobs import Blobs


class Intake:
    """One folder of files that are not blobs yet."""

    def __init__(self, folder: Path, blobs: Blobs) -> None:
        self._folder, self._blobs = folder, blobs
        self._kept: list[Digest] = []

    def begin(self, digest: Digest, *, keep: bool) -> Part:
        """Begin with the bytes of *digest*; without *keep* they are only checked. Raises DiskError."""
        if not keep:
            return Part(digest, None)
        with disk_errors():
            self._folder.mkdir(parents=True, exist_ok=True)
            self._kept.append(digest)
            return Part(digest, self._path(digest).open("xb", buffering=0))

    def land(self) -> None:
        """Put all files in their places. Raises DiskError."""
        with disk_errors():
            for digest in self._kept:
                place = self._blobs.path_of(digest)
                place.parent.mkdir(parents=True, exist_ok=True)
                self._path(digest).replace(place)
            if self._kept:
                sync_folder(self._blobs.path_of(self._kept[0]).parent)

    def clear(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, digest: Digest) -> Path:
        return self._folder / f"sha256-{digest}"


class Part:
    """One file that is being written, or only read."""

    def __init__(self, digest: Digest, file: BinaryIO | None) -> None:
        self._digest, self._file = digest, file
        self._hash = hashlib.sha256()

    def write(self, block: bytes) -> None:
        """Take the next bytes. Raises DiskError."""
        self._hash.update(block)
        with disk_errors():
            left = memoryview(block)
            while self._file is not None and left:
                left = left[self._file.write(left) :]

    def finish(self) -> None:
        """Make sure that they are the right ones, and safe. Raises VerifyError, DiskError."""
        if self._hash.hexdigest() != self._digest:
            message = f"the bundle is damaged: blobs/sha256-{self._digest} has other bytes than it should"
            raise VerifyError(message, hint="copy the bundle again, or make it anew")
        if self._file is not None:
            with disk_errors():
                os.fsync(self._file.fileno())

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn what the operating system says about the disk into our error."""
    try:
        yield
    except OSError as error:
        message = f"the disk refused: {error.strerror or error}"
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        raise DiskError(message, hint="free some space and import again" if full else None) from error
