"""Bringing one file into the library and proving that it is right. Knows nothing about models. Everything here blocks.

A source is opened before it is believed: it must still be the very file that was planned. What arrives stands under a
name of its own until its digest is known.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from roundhouse.core.artifacts import Digest
from roundhouse.core.errors import ConflictError, DiskError, VerifyError
from roundhouse.disk.durable import sync_folder
from roundhouse.library.chunks import CHUNK_BYTES, Piece
from roundhouse.migration.found import FoundFile
from roundhouse.migration.planning import Method, Mode

#: ``FICLONE`` of ``linux/fs.h``: let one file share the extents of another.
_FICLONE = 0x40049409
_READ_BYTES = 1 << 20
#: What the file system says when it cannot do what was asked; then the next way is tried.
_CANNOT = {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL,
           errno.ENOTTY, errno.ENOSYS}  # fmt: skip

#: Told how many bytes more have been read; may raise to stop.
Watch = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Read:
    """What reading a whole file showed."""

    digest: Digest
    size: int
    pieces: Sequence[Piece]


def read_whole(path: Path, watch: Watch = lambda _: None) -> Read:
    """Read every byte of *path*. Raises OSError, and what *watch* raises."""
    whole, size = hashlib.sha256(), 0
    pieces: list[Piece] = []
    with path.open("rb", buffering=0) as file:
        for offset in _offsets():
            chunk, length = hashlib.sha256(), 0
            while length < CHUNK_BYTES and (block := file.read(min(_READ_BYTES, CHUNK_BYTES - length))):
                whole.update(block)
                chunk.update(block)
                length += len(block)
                watch(len(block))
            if not length:
                return Read(Digest(whole.hexdigest()), size, pieces)
            pieces.append((offset, length, Digest(chunk.hexdigest())))
            size += length
    raise AssertionError  # pragma: no cover - offsets do not end


def _offsets() -> Iterator[int]:
    offset = 0
    while True:
        yield offset
        offset += CHUNK_BYTES


def bring(file: FoundFile, target: Path, method: Method, mode: Mode) -> Method:
    """Make *target* hold the bytes of *file*, and say how that was done in the end.

    Raises ConflictError when the file is no longer the planned one, DiskError when *mode* cannot be had here, OSError.
    """
    target.unlink(missing_ok=True)
    with _opened(file) as descriptor:
        for way in _ways(method, mode):
            try:
                _WAYS[way](file, descriptor, target)
            except OSError as error:
                target.unlink(missing_ok=True)
                if error.errno not in _CANNOT or way is Method.COPY:
                    raise
                continue
            _same(file, target, way)
            sync_folder(target.parent)
            return way
    message = f"{file.path}: this file system cannot {mode} it into the library"
    raise DiskError(message, hint="choose --mode copy, or put the library on the same disk with library.path")


def _ways(method: Method, mode: Mode) -> tuple[Method, ...]:
    """What to try, best first; a way that was asked for by name is the only one."""
    match mode:
        case Mode.AUTO | Mode.MOVE:
            order: tuple[Method, ...] = (Method.REFLINK, Method.LINK, Method.COPY)
            if mode is Mode.MOVE:  # the very file, so that the way back is the same
                order = order[1:]
            return order[order.index(method) :] if method in order else order
        case _:
            return (Method(mode.value),)


@contextmanager
def _opened(file: FoundFile) -> Iterator[int]:
    """The planned file, opened for reading; never a link, a pipe or another file under its path."""
    try:
        descriptor = os.open(file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _changed(file) from None
    try:
        if not _is(file, os.fstat(descriptor)):
            raise _changed(file)
        yield descriptor
    finally:
        os.close(descriptor)


def _is(file: FoundFile, status: os.stat_result) -> bool:
    seen = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    return stat.S_ISREG(status.st_mode) and seen == (file.device, file.inode, file.size, file.modified_ns)


def _changed(file: FoundFile) -> ConflictError:
    return ConflictError(f"{file.path} has changed since it was looked at", hint="migrate again once it is at rest")


def _same(file: FoundFile, target: Path, way: Method) -> None:
    """A link that was made by path must have met the file that was opened."""
    if way in {Method.LINK, Method.REFERENCE} and not _is(file, target.stat()):
        target.unlink()
        raise _changed(file)


def _link(file: FoundFile, _descriptor: int, target: Path) -> None:
    os.link(file.path, target, follow_symlinks=False)


def _reference(file: FoundFile, _descriptor: int, target: Path) -> None:
    target.symlink_to(file.path)


def _reflink(_file: FoundFile, descriptor: int, target: Path) -> None:
    with target.open("xb") as made:
        fcntl.ioctl(made.fileno(), _FICLONE, descriptor)
        os.fsync(made.fileno())


def _copy(_file: FoundFile, descriptor: int, target: Path) -> None:
    with target.open("xb", buffering=0) as made:
        while block := os.read(descriptor, _READ_BYTES):
            made.write(block)
        os.fsync(made.fileno())


_WAYS: dict[Method, Callable[[FoundFile, int, Path], None]] = {
    Method.LINK: _link,
    Method.REFLINK: _reflink,
    Method.COPY: _copy,
    Method.REFERENCE: _reference,
}


def proven(file: FoundFile, target: Path, watch: Watch) -> Read:
    """Every byte of what was brought. Raises VerifyError when it is not what the store's name for it promises."""
    read = read_whole(target, watch)
    if file.promised is not None and read.digest != file.promised:
        message = f"{file.path.name} has sha256 {read.digest[:16]}…, and its store promises {file.promised[:16]}…"
        raise VerifyError(message, hint="the store is damaged: pull the model again")
    return read


class Paving:
    """Which way files of each disk would take into one folder, tried once for each disk without leaving a trace."""

    def __init__(self, folder: Path) -> None:
        self._folder = next(each for each in (folder, *folder.parents) if each.is_dir())
        self._clones: dict[int, bool] = {}

    def method_of(self, file: FoundFile, mode: Mode) -> Method:
        """How *file* would come in."""
        match mode:
            case Mode.COPY | Mode.LINK | Mode.REFLINK | Mode.REFERENCE:
                return Method(mode.value)
            case Mode.AUTO if self._can_clone(file):
                return Method.REFLINK
        return Method.LINK if self._folder.stat().st_dev == file.device else Method.COPY

    def _can_clone(self, file: FoundFile) -> bool:
        if file.device not in self._clones:
            self._clones[file.device] = _clones(file.path, self._folder)
        return self._clones[file.device]


def _clones(path: Path, folder: Path) -> bool:
    """Whether a file without a name in *folder* can share the bytes of *path*."""
    try:
        source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        target = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.ioctl(target, _FICLONE, source)
        finally:
            os.close(target)
    except (OSError, AttributeError):
        return False
    else:
        return True
    finally:
        os.close(source)
