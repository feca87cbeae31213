"""A file of records on their way to the ledger, one JSON object per line. Knows nothing about when they go.

It is written without fsync: it outlives a killed process; what must outlive a power cut is the ledger's to keep.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from roundhouse.core.errors import DiskError
from roundhouse.core.ledger import UsageRecord

#: Bytes read back at a time.
_PIECE = 256 * 1024
#: What JSON numbers carry.
_LARGEST = 2**63 - 1

_decoder = msgspec.json.Decoder(UsageRecord)


@dataclass(frozen=True, slots=True)
class Piece:
    """Some records read back, and where the next ones start."""

    records: tuple[UsageRecord, ...]
    #: Lines that are no record: the last one before a kill may be cut short.
    broken: int
    end: int


class Spool:
    """An open spool. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._path = path
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _refused(path, error) from error
        self._size = os.fstat(self._file).st_size
        self._end_line()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def size(self) -> int:
        """Bytes that the ledger does not have yet."""
        return self._size

    def append(self, records: Sequence[UsageRecord]) -> int:
        """Add *records* and return where they end. Raises DiskError, and then none of them is in."""
        data = b"".join(_line(record) for record in records)
        with self._lock:
            try:
                written = os.write(self._file, data)
                if written != len(data):
                    os.ftruncate(self._file, self._size)
            except OSError as error:
                raise _refused(self._path, error) from error
            if written != len(data):
                message = f"cannot write {self._path}: no space left"
                raise DiskError(message)
            self._size += written
            return self._size

    def read(self, start: int) -> Piece:
        """The next records from *start* on; none at the end. Raises DiskError."""
        left = self._size - start  # what another thread is writing now stands behind it
        length = _PIECE
        while True:
            try:
                data = os.pread(self._file, min(length, left), start)
            except OSError as error:
                raise _refused(self._path, error) from error
            whole = data.rfind(b"\n") + 1
            if whole or length >= left:
                return _piece(data[:whole], start)
            length *= 2  # one line is longer than a piece

    def forget(self, end: int) -> bool:
        """Empty the spool if nothing stands behind *end*; whether it did."""
        with self._lock:
            if self._size != end:
                return False
            try:
                os.ftruncate(self._file, 0)
            except OSError as error:
                raise _refused(self._path, error) from error
            self._size = 0
            return True

    def close(self) -> None:
        """Close the file; what is in it stays."""
        os.close(self._file)

    def _end_line(self) -> None:
        """End the last line, which a kill may have cut short, so that it does not swallow the next one."""
        if self._size and os.pread(self._file, 1, self._size - 1) != b"\n":
            self._size += os.write(self._file, b"\n")


def _line(record: UsageRecord) -> bytes:
    try:
        return msgspec.json.encode(record) + b"\n"
    except (UnicodeEncodeError, OverflowError):  # half a surrogate pair from a client, 10**30 tokens from an upstream
        return msgspec.json.encode(_fitting(record)) + b"\n"


def _fitting(record: UsageRecord) -> UsageRecord:
    return replace(
        record,
        requested=record.requested.encode("utf-8", "replace").decode(),
        prompt_tokens=min(record.prompt_tokens, _LARGEST),
        completion_tokens=min(record.completion_tokens, _LARGEST),
        cached_tokens=min(record.cached_tokens, _LARGEST),
    )


def _piece(data: bytes, start: int) -> Piece:
    records, broken = [], 0
    for line in data.splitlines():
        try:
            records.append(_decoder.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError):
            broken += 1
    return Piece(tuple(records), broken, start + len(data))


def _refused(path: Path, error: OSError) -> DiskError:
    return DiskError(f"cannot write {path}: {error.strerror}", hint="free some space, or check the folder's owner")
