"""The plans of running pulls, kept on disk. Knows nothing about who made them. Everything here blocks.

A plan is what a reference meant when the pull began. It is written once and whole, or it is not there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from roundhouse.core.artifacts import Digest, FileName, Plan, PlannedFile
from roundhouse.core.errors import DiskError, SchemaError
from roundhouse.disk.durable import sync_folder


class Plans:
    """One file per transfer below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, transfer_id: str) -> Plan | None:
        """The plan of a transfer, if it was made and can still be read; one that cannot is made again."""
        try:
            return _plan(json.loads(self._path(transfer_id).read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, SchemaError):
            return None

    def put(self, transfer_id: str, plan: Plan) -> None:
        """Keep the plan of a transfer. Raises DiskError."""
        path = self._path(transfer_id)
        draft = path.with_suffix(".tmp")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with draft.open("w", encoding="utf-8") as file:
                json.dump(asdict(plan), file)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
            sync_folder(self._folder)
        except OSError as error:
            message = f"cannot write to {self._folder}: {error.strerror or error}"
            raise DiskError(message, hint="let this user write there, or set library.path") from error

    def remove(self, transfer_id: str) -> None:
        """Forget the plan of a finished transfer. One that cannot be removed is read by nobody."""
        with suppress(OSError):
            self._path(transfer_id).unlink(missing_ok=True)

    def keep_only(self, transfer_ids: Collection[str]) -> None:
        """Forget all plans but these: a power cut leaves plans of transfers that nobody knows."""
        for path in self._folder.glob("*"):
            if path.stem not in transfer_ids:
                with suppress(OSError):
                    path.unlink()

    def _path(self, transfer_id: str) -> Path:
        return self._folder / FileName(f"{transfer_id}.json")


def _plan(fields: dict[str, object]) -> Plan:
    files, texts, code = (fields.pop(name) for name in ("files", "license_files", "code"))
    if not (isinstance(files, list) and isinstance(texts, list) and isinstance(code, list)):
        raise TypeError
    told = fields.pop("license_digest")
    return Plan(
        **fields,  # type: ignore[arg-type]  # checked by use
        files=tuple(_file(each) for each in files),
        license_files=tuple(_file(each) for each in texts),
        license_digest=None if told is None else Digest(str(told)),
        code=tuple(str(each) for each in code),
    )


def _file(fields: dict[str, str | int | None]) -> PlannedFile:
    size, digest = fields["size"], fields["digest"]
    return PlannedFile(
        name=FileName(str(fields["name"])),
        size=None if size is None else int(size),
        digest=None if digest is None else Digest(str(digest)),
        locator=str(fields["locator"]),
    )
