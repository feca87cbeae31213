"""What a disk may hold after a power cut: what was synced, and of the rest any part, in any order.

Records what code really does to the files below one folder, and makes the states that a crash at any moment may leave.
Stricter than any file system: a new name lasts only once its folder is synced, also the name of a folder.
"""

import builtins
import io
import os
import random
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes into a file; ``None`` cuts it off there."""

    file: int
    offset: int
    data: bytes | None

    def is_followed_by(self, other: "Write") -> bool:
        """Whether both are one stretch of bytes."""
        if self.data is None or other.data is None:
            return False
        return self.file == other.file and self.offset + len(self.data) == other.offset


@dataclass(frozen=True, slots=True)
class Entry:
    """A name that means a file, a folder (-1) or nothing from here on; *old* ceases in the same step."""

    path: str
    file: int | None
    old: str | None = None


@dataclass(frozen=True, slots=True)
class Sync:
    """All that was done to a file, or to the names in a folder, lasts."""

    file: int | None = None
    folder: str | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """Something outside of the files that lasts at once: a transaction of a database."""

    value: object


Step = Write | Entry | Sync | Note
FOLDER = -1


class Recorder:
    """Writes down each change to what lies below *root*."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.steps: list[Step] = []
        self._files: dict[int, int] = {}
        self._folders: dict[int, str] = {}
        self._lock = threading.RLock()

    def note(self, value: object) -> None:
        """A transaction of a database."""
        self._add(Note(value))

    def _add(self, step: Step) -> None:
        with self._lock:
            last = self.steps[-1] if self.steps else None
            if isinstance(step, Write) and isinstance(last, Write) and last.is_followed_by(step):
                self.steps[-1] = Write(step.file, last.offset, (last.data or b"") + (step.data or b""))
            else:
                self.steps.append(step)

    def _inside(self, path: object, dir_fd: int | None = None) -> str | None:
        """*path* from the root on; ``None`` when it is no business of ours."""
        if isinstance(path, int):
            return None
        text = os.fsdecode(os.fspath(path))  # type: ignore[call-overload]  # whatever os functions take
        if dir_fd is not None:
            return f"{self._folders[dir_fd]}/{text}" if dir_fd in self._folders else None
        full = Path(text).absolute()
        return full.relative_to(self._root).as_posix() if full.is_relative_to(self._root) else None

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Watch until the end of the block."""
        with pytest.MonkeyPatch.context() as patch:
            self._patch(patch)
            yield

    def _patch(self, patch: pytest.MonkeyPatch) -> None:
        self._real_open, self._real_os_open, self._real_fsync = io.open, os.open, os.fsync
        patch.setattr(io, "open", self._opened)
        patch.setattr(builtins, "open", self._opened)
        patch.setattr(os, "open", self._os_opened)
        patch.setattr(os, "fsync", self._synced)
        for name in ("replace", "rename"):
            self._wrap(patch, name, self._moved)
        for name in ("unlink", "remove", "rmdir"):
            self._wrap(patch, name, lambda path: Entry(path, None))
        self._wrap(patch, "mkdir", lambda path: Entry(path, FOLDER))
        self._wrap(patch, "link", lambda old, new: Entry(new, self._at(old)))
        self._patch_descriptors(patch)

    def _opened(self, file: Any, mode: str = "r", *rest: Any, **more: Any) -> Any:
        if isinstance(file, int):
            handle = self._real_open(file, mode, *rest, **more)
            is_known = os.fstat(file).st_ino in self._files and set(mode) & set("wa+")
            return Watched(handle, self, self._file_of(file)) if is_known else handle
        name, existed = self._inside(file), Path(file).exists()
        handle = self._real_open(file, mode, *rest, **more)
        if name is None or not set(mode) & set("wax+"):
            return handle
        number = self._appeared(name, handle.fileno(), existed=existed)
        if "w" in mode:
            self._add(Write(number, 0, None))
        return Watched(handle, self, number)

    def _os_opened(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        name, existed = self._inside(path, dir_fd), dir_fd is not None or Path(path).exists()
        descriptor = self._real_os_open(path, flags, mode, dir_fd=dir_fd)
        if name is None:
            self._folders.pop(descriptor, None)
        elif stat.S_ISDIR(os.fstat(descriptor).st_mode):
            self._folders[descriptor] = name
        else:
            number = self._appeared(name, descriptor, existed=existed)
            if flags & os.O_TRUNC:
                self._add(Write(number, 0, None))
        return descriptor

    def _synced(self, descriptor: int) -> None:
        self._real_fsync(descriptor)
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            if descriptor in self._folders:
                self._add(Sync(folder=self._folders[descriptor]))
        elif os.fstat(descriptor).st_ino in self._files:
            self._add(Sync(file=self._file_of(descriptor)))

    def _moved(self, old: str, new: str) -> Entry:
        return Entry(new, self._at(old), old)

    def _wrap(self, patch: pytest.MonkeyPatch, name: str, told: Callable[..., Entry]) -> None:
        """Write down what a function of names does, if it does it and they are ours."""
        real, count = getattr(os, name), 2 if name in {"replace", "rename", "link"} else 1

        def wrapped(*arguments: Any, **more: Any) -> Any:
            with self._lock:
                names = [self._inside(each, more.get("dir_fd")) for each in arguments[:count]]
                step = told(*names) if None not in names else None
                result = real(*arguments, **more)
                if step is not None:
                    self.steps.append(step)
            return result

        patch.setattr(os, name, wrapped)

    def _patch_descriptors(self, patch: pytest.MonkeyPatch) -> None:
        """What may be done to a file without its Python object."""
        real_pwrite, real_write, real_cut = os.pwrite, os.write, os.ftruncate

        def pwritten(descriptor: int, data: bytes, offset: int) -> int:
            count = real_pwrite(descriptor, data, offset)
            self._wrote(descriptor, offset, bytes(data)[:count])
            return count

        def written(descriptor: int, data: bytes) -> int:
            is_ours = os.fstat(descriptor).st_ino in self._files
            offset = os.lseek(descriptor, 0, os.SEEK_CUR) if is_ours else 0
            count = real_write(descriptor, data)
            self._wrote(descriptor, offset, bytes(data)[:count])
            return count

        def cut(descriptor: int, length: int) -> None:
            real_cut(descriptor, length)
            self._wrote(descriptor, length, None)

        patch.setattr(os, "pwrite", pwritten)
        patch.setattr(os, "write", written)
        patch.setattr(os, "ftruncate", cut)

    def _wrote(self, descriptor: int, offset: int, data: bytes | None) -> None:
        if os.fstat(descriptor).st_ino in self._files:
            self._add(Write(self._file_of(descriptor), offset, data))

    def _appeared(self, name: str, descriptor: int, *, existed: bool) -> int:
        """The number of an opened file, new when the name is."""
        inode = os.fstat(descriptor).st_ino
        with self._lock:
            if not existed or inode not in self._files:
                self._files[inode] = len(self.steps)
                self.steps.append(Entry(name, self._files[inode]))
            return self._files[inode]

    def _file_of(self, descriptor: int) -> int:
        return self._files[os.fstat(descriptor).st_ino]

    def _at(self, name: str) -> int:
        return self._files[(self._root / name).stat().st_ino]


class Watched:
    """An open file whose changes are written down."""

    def __init__(self, handle: Any, recorder: Recorder, number: int) -> None:
        self._handle, self._recorder, self._number = handle, recorder, number
        self._end = 0 if isinstance(handle, io.TextIOBase) else None

    def write(self, data: Any) -> int:
        """Pass it on, and note where it went."""
        raw = data.encode() if isinstance(data, str) else bytes(data)
        offset = self._handle.tell() if self._end is None else self._end
        count: int = self._handle.write(data)
        if self._end is not None:
            self._end += len(raw)
        self._recorder._add(Write(self._number, offset, raw))
        return count

    def truncate(self, size: int | None = None) -> int:
        """Pass it on."""
        length: int = self._handle.truncate(size)
        self._recorder._add(Write(self._number, length, None))
        return length

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._handle.close()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._handle)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handle, name)


@dataclass(frozen=True, slots=True)
class Wreck:
    """One state that a crash may leave."""

    at: int
    #: The last transaction before it.
    note: object
    folders: tuple[str, ...]
    files: dict[str, bytes]
    #: Steps that had been done and are not there.
    lost: int

    def restore(self, root: Path) -> None:
        """Make it so, below an empty *root*."""
        for folder in self.folders:
            (root / folder).mkdir(parents=True)
        for name, data in self.files.items():
            (root / name).write_bytes(data)


def wreck(steps: Sequence[Step], at: int, chance: random.Random) -> Wreck:
    """The state after a crash before step *at*: what was synced, and of the rest what *chance* likes."""
    lasting, mood = _lasting(steps[:at]), chance.choice((0.0, 0.2, 0.5, 0.8, 1.0))
    names: dict[str, int] = {}
    contents: dict[int, bytearray] = {}
    note: object = None
    lost = 0
    for number, step in enumerate(steps[:at]):
        is_there = number in lasting or chance.random() < mood
        lost += not is_there and not isinstance(step, Sync)
        match step:
            case Note():
                note = step.value
            case Entry() if is_there:
                _rename(names, step)
            case Write() if is_there:
                _apply(contents.setdefault(step.file, bytearray()), step, chance, torn=number not in lasting)
    folders = {name for name, file in names.items() if file == FOLDER}
    kept = sorted(name for name in folders if _reachable(name, folders))
    files = {
        name: bytes(contents.get(file, b""))
        for name, file in names.items()
        if file != FOLDER and _reachable(name, folders)
    }
    return Wreck(at, note, tuple(kept), files, lost)


def _lasting(steps: Sequence[Step]) -> set[int]:
    """The steps that a crash cannot undo any more."""
    found: set[int] = set()
    files: set[int] = set()
    folders: set[str] = set()
    for number in range(len(steps) - 1, -1, -1):
        step = steps[number]
        match step:
            case Sync(file=file, folder=folder):
                files |= set() if file is None else {file}
                folders |= set() if folder is None else {folder}
            case Write(file=file) if file in files:
                found.add(number)
            case Entry(path=path) if path.rpartition("/")[0] in {"" if each == "." else each for each in folders}:
                found.add(number)
            case Note():
                found.add(number)
    return found


def _rename(names: dict[str, int], step: Entry) -> None:
    if step.old is not None:
        names.pop(step.old, None)  # which may never have lasted; the new one can all the same
    if step.file is None:
        names.pop(step.path, None)
    else:
        names[step.path] = step.file


def _apply(content: bytearray, step: Write, chance: random.Random, *, torn: bool) -> None:
    if step.data is None:
        del content[step.offset :]
        content.extend(bytes(step.offset - len(content)))
        return
    data = step.data[: chance.randrange(len(step.data) + 1)] if torn and chance.random() < 0.3 else step.data
    content.extend(bytes(max(0, step.offset - len(content))))
    content[step.offset : step.offset + len(data)] = data


def _reachable(name: str, folders: set[str]) -> bool:
    """Whether all folders above are there."""
    parts = name.split("/")[:-1]
    return all("/".join(parts[: depth + 1]) in folders for depth in range(len(parts)))
