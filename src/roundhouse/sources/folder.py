"""A model that is already on this machine: a GGUF file, or a folder with one model. Knows nothing about networks.

The bytes are copied, not linked: the library must not change because somebody edits their own file.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import BinaryIO

from roundhouse.core.artifacts import FileName, Plan, PlannedFile
from roundhouse.core.errors import ConflictError, DiskError, ForbiddenError, NotFoundError
from roundhouse.core.ports import ByteStream
from roundhouse.library.admission import code_flags, text_files
from roundhouse.sources.choice import choose, files_of
from roundhouse.sources.choosing import is_tensors
from roundhouse.sources.naming import model_name, refuse_other_formats, shards_of

_PIECE = 1 << 20


class FolderSource:
    """The local file system: ``file:/path/to/model.gguf``."""

    scheme = "file"

    async def resolve(self, ref: str) -> Plan:
        """The files behind *ref*. Raises NotFoundError, PolicyError, ForbiddenError."""
        return await asyncio.to_thread(self._resolve, ref)

    def _resolve(self, ref: str) -> Plan:
        path = Path(ref.removeprefix("file:").removeprefix("//"))
        with _file_errors(path):
            paths = _files(path)
            files = tuple(_planned(each) for each in paths)
            texts, code = _license_texts(path), _code(path)
        return Plan(
            ref,
            self.scheme,
            _name(paths[0]),
            _version(files),
            files,
            license_source="folder" if texts else None,
            license_files=texts,
            code=code,
        )

    @asynccontextmanager
    async def _open(self, file: PlannedFile, offset: int, length: int | None) -> AsyncIterator[ByteStream]:
        handle = await asyncio.to_thread(_opened, file, offset)
        try:
            yield ByteStream(offset, file.size, _pieces(handle, length), length)
        finally:
            await asyncio.to_thread(handle.close)

    def open(
        self, file: PlannedFile, offset: int, length: int | None = None
    ) -> AbstractAsyncContextManager[ByteStream]:
        """The bytes of *file* from *offset* on. Raises ConflictError when it has changed since it was resolved."""
        return self._open(file, offset, length)


def _opened(file: PlannedFile, offset: int) -> BinaryIO:
    path, size, modified = _located(file)
    with _file_errors(path):
        handle = path.open("rb", buffering=0)
    stat = os.fstat(handle.fileno())
    if (stat.st_size, stat.st_mtime_ns) != (size, modified):
        handle.close()
        message = f"{path} has changed since it was looked at"
        raise ConflictError(message, hint="pull it again once nobody writes to it")
    handle.seek(offset)
    return handle


async def _pieces(handle: BinaryIO, length: int | None) -> AsyncIterator[bytes]:
    left = sys.maxsize if length is None else length
    while piece := await asyncio.to_thread(_read, handle, min(left, _PIECE)):
        left -= len(piece)
        yield piece


def _read(handle: BinaryIO, count: int) -> bytes:
    with _file_errors(Path(handle.name)):
        return handle.read(count)


def _files(path: Path) -> list[Path]:
    """The file itself with what belongs to it, or the one model in a folder."""
    if path.is_dir():
        inside = {str(each.relative_to(path).as_posix()): each for each in path.rglob("*") if each.is_file()}
        return [inside[name] for name in files_of(list(inside), choose(list(inside), None))]
    path.stat()
    beside = [each.name for each in path.parent.iterdir()]
    if is_tensors(path.name) and "config.json" in beside:
        return [path.with_name(name) for name in files_of(beside, choose(beside, path.name))]
    refuse_other_formats(path.name)
    return [path.with_name(name) for name in shards_of(path.name, beside)]


def _name(first: Path) -> str:
    """Safetensors are called ``model`` everywhere; their folder has the name."""
    return model_name(first.parent.name if is_tensors(first.name) else first.name)


def _license_texts(path: Path) -> tuple[PlannedFile, ...]:
    """The licence in a folder of one model; beside a lone file may lie anybody's."""
    if not path.is_dir():
        return ()
    names = [each.name for each in path.iterdir() if each.is_file()]
    return tuple(_planned(path / name) for name in text_files(names))


def _code(path: Path) -> tuple[str, ...]:
    """What in a folder of one model would execute code; none of it is copied."""
    return code_flags(each.relative_to(path).as_posix() for each in path.rglob("*")) if path.is_dir() else ()


def _planned(path: Path) -> PlannedFile:
    stat = path.stat()
    locator = json.dumps([str(path), stat.st_size, stat.st_mtime_ns])
    return PlannedFile(FileName(path.name), stat.st_size, None, locator)


def _located(file: PlannedFile) -> tuple[Path, int, int]:
    path, size, modified = json.loads(file.locator)
    return Path(path), int(size), int(modified)


def _version(files: tuple[PlannedFile, ...]) -> str:
    """When the newest of the files was written: a folder has no commit."""
    return f"mtime:{max(_located(file)[2] for file in files)}"


@contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    """What the operating system says about a file, as an error of ours."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # a NUL in a path is a ValueError
        message = f"there is no file {str(path)!r}"
        raise NotFoundError(message) from error
    except PermissionError as error:
        message = f"may not read {path}"
        raise ForbiddenError(message) from error
    except OSError as error:
        message = f"cannot read {path}: {error.strerror or error}"
        raise DiskError(message) from error
