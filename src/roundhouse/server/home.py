"""The home folder: one Roundhouse at a time, and a note that tells the command line where it listens.

Knows nothing about what the server does.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from roundhouse.core.errors import ConflictError, DiskError


def prepare(home: Path) -> None:
    """Create the home and its ``run`` folder for this user alone. Raises DiskError."""
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        (home / "run").mkdir(exist_ok=True, mode=0o700)
    except OSError as error:
        message = f"cannot create the home folder {home}: {error.strerror}"
        raise DiskError(message, hint="choose another with --home or ROUNDHOUSE_HOME") from error


@contextmanager
def locked(home: Path, *, tries: int = 1) -> Iterator[None]:
    """Hold the home, trying *tries* times, 0.1 s apart.

    The kernel lets go of it when the process ends, however it ends. Raises ConflictError.
    """
    descriptor = os.open(home / "run" / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        for left in reversed(range(tries)):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if not left:
                    raise _busy(home) from None
                time.sleep(0.1)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _busy(home: Path) -> ConflictError:
    """Say who holds the home and what to do."""
    owner = (home / "run" / "lock").read_text(encoding="ascii", errors="replace").strip() or "unknown"
    where = read_note(home)
    message = f"another roundhouse (process {owner}) uses {home}"
    if where is not None:
        return ConflictError(f"{message} and listens at {where['url']}", hint="use that one, or stop it first")
    return ConflictError(
        message, hint="wait for it, or stop it with Ctrl-C: `roundhouse up` goes on with what it began", retryable=True
    )


def write_note(home: Path, url: str) -> None:
    """Say where the server listens, in one step, so that nobody reads half a note."""
    target = home / "run" / "server.json"
    draft = target.with_suffix(".tmp")
    draft.write_text(json.dumps({"pid": os.getpid(), "url": url}), encoding="utf-8")
    draft.replace(target)


def read_note(home: Path) -> dict[str, object] | None:
    """Where the server says it listens; ``None`` when there is no (readable) note."""
    try:
        note = json.loads((home / "run" / "server.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return note if isinstance(note, dict) and {"pid", "url"} <= note.keys() else None


def remove_note(home: Path) -> None:
    """The server has stopped."""
    (home / "run" / "server.json").unlink(missing_ok=True)
