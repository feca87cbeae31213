"""Folders that runtimes can load from: a model's files under their own names, as hard links to its blobs.

Each revision has its own below its model's: nothing changes under a runtime that still reads from an older one.
Knows nothing about registries. Everything here blocks.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Collection
from pathlib import Path

from roundhouse.core.artifacts import Artifact, ArtifactFile, is_device
from roundhouse.core.errors import NotFoundError
from roundhouse.library.blobs import Blobs


def folder_name(model: str) -> str:
    """A readable, safe and unique folder name: different models never share one, not even where case is ignored."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", model).strip(".-")[:80]
    readable = f"_{readable}" if is_device(readable) else readable
    return f"{readable}-{hashlib.sha256(model.encode()).hexdigest()[:12]}"


class Folders:
    """The folders below one root."""

    def __init__(self, root: Path, blobs: Blobs) -> None:
        self._root, self._blobs = root, blobs

    def path_of(self, artifact: Artifact, file: ArtifactFile | None = None) -> Path:
        """One of its files; by default the one for a runtime to load, whose name tells it about further shards."""
        return self._folder(artifact) / (file or artifact.files[0]).name

    def _folder(self, artifact: Artifact) -> Path:
        return self._root / folder_name(artifact.model) / artifact.key

    def ensure(self, artifact: Artifact) -> Path:
        """Make its folder hold exactly the artifact's files. Raises NotFoundError when a blob is gone."""
        folder = self._folder(artifact)
        wanted = {folder / file.name: file for file in artifact.files}
        for link, file in wanted.items():
            blob = self._blobs.path_of(file.digest)
            if not blob.is_file():
                raise _missing(artifact, link.name, is_aside=self._blobs.quarantine_of(file.digest).exists())
            if not (link.exists() and link.samefile(blob)):
                _link(blob, link)
        for path in [path for path in folder.rglob("*") if path.is_file() or path.is_symlink()]:
            if path not in wanted:
                path.unlink()
        return self.path_of(artifact)

    def keep_only(self, model: str, revisions: Collection[Artifact]) -> None:
        """Remove whatever is in the folder of *model* and belongs to none of *revisions*; their blobs stay."""
        folder, keys = self._root / folder_name(model), {artifact.key for artifact in revisions}
        for path in list(folder.iterdir()) if folder.is_dir() else []:
            if path.name not in keys:
                _remove(path)

    def tidy(self, held: Collection[Artifact]) -> None:
        """Remove what belongs to none of *held*: a kill may have come between the registry and the folders."""
        by_model: dict[str, list[Artifact]] = {}
        for artifact in held:
            by_model.setdefault(artifact.model, []).append(artifact)
        for model, revisions in by_model.items():
            self.keep_only(model, revisions)
        known = {folder_name(model) for model in by_model}
        for path in list(self._root.iterdir()) if self._root.is_dir() else []:
            if path.name not in known:
                _remove(path)

    def remove(self, model: str) -> None:
        """Remove the folder of *model*; its blobs stay."""
        shutil.rmtree(self._root / folder_name(model), ignore_errors=True)

    def drop(self, artifact: Artifact) -> None:
        """Remove the folder of this revision alone; its blobs stay."""
        _remove(self._folder(artifact))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _missing(artifact: Artifact, name: str, *, is_aside: bool) -> NotFoundError:
    if is_aside:
        message = f"{artifact.model}: the bytes of {name} were found wrong and are in quarantine"
        return NotFoundError(message, hint=f"try again to repair them: `roundhouse models repair {artifact.model}`")
    message = f"{artifact.model}: the file {name} is gone"
    return NotFoundError(message, hint=f"pull it again: `roundhouse pull {artifact.ref}`")


def _link(blob: Path, link: Path) -> None:
    """Put *link* in place in one step; a runtime that has the old file open keeps it."""
    link.parent.mkdir(parents=True, exist_ok=True)
    draft = link.with_name(link.name + ".new")
    draft.unlink(missing_ok=True)
    try:
        draft.hardlink_to(blob)
    except OSError:  # a file system without hard links; a copy would double the size of everything
        draft.symlink_to(os.path.relpath(blob, link.parent))
    draft.replace(link)
