"""What a rename needs to outlive a power cut, and what tells whether a file is the right one."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from roundhouse.core.artifacts import Digest

_READ_BYTES = 1 << 20


def sync_folder(folder: Path) -> None:
    """Make sure that the names in *folder* outlive a power cut. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def hash_file(path: Path) -> Digest:
    """The digest of a whole file. Raises OSError. Blocks."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    return Digest(digest.hexdigest())
