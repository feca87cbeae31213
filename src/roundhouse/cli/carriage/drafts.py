"""A body on its way into a file, which is the old one or the whole new one. Knows nothing about what it holds."""

from __future__ import annotations

import http.client
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from roundhouse.cli.carriage.cargo import BLOCK
from roundhouse.core.errors import DiskError, NetworkError
from roundhouse.disk.durable import sync_folder

_CUT_HINT = "find out whether its bytes are still right with `roundhouse models verify`"


def unload(response: http.client.HTTPResponse, target: Path, note: Callable[[int, int], None]) -> int:
    """Write a body to *target*; its bytes. *note* is told how many of how many are there.

    Raises DiskError, NetworkError.
    """
    total, done = int(response.headers.get("content-length") or 0), 0
    with _draft(target) as file:
        _check_room(target, total)
        while block := response.read(BLOCK):
            file.write(block)
            done += len(block)
            note(done, total)
        if done != total:
            message = f"the answer was cut off after {done:,} of {total:,} bytes"
            raise NetworkError(message, hint=_CUT_HINT)
    return done


def write_whole(target: Path, content: bytes) -> None:
    """Put *content* in the place of *target* in one step. Raises DiskError."""
    with _draft(target) as file:
        file.write(content)


@contextmanager
def _draft(target: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of *target* when nothing went wrong, and is safe then. Raises DiskError."""
    draft = target.with_name(target.name + ".part")
    try:
        with draft.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        message = f"cannot write {target}: {error.strerror or error}"
        raise DiskError(message) from error
    finally:
        draft.unlink(missing_ok=True)


def _check_room(target: Path, total: int) -> None:
    free = shutil.disk_usage(target.parent).free
    if total > free:
        message = f"{total:,} bytes are needed, {free:,} are free where {target.name} is to be"
        raise DiskError(message, hint=f"free {total - free:,} bytes, or write to another disk")
