"""The Hugging Face cache: ``models--owner--repo/{blobs,refs,snapshots}``. Knows nothing about the hub.

A snapshot is a folder of links to blobs, or of files where links are not allowed. The blob of a large file is named
by its sha256, that of a small one by git's digest, which proves nothing to us.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from roundhouse.core.artifacts import Digest
from roundhouse.core.errors import SchemaError
from roundhouse.migration.found import FoundFile, FoundModel, Inventory, Kind, Trouble
from roundhouse.migration.stores.collecting import Collecting
from roundhouse.migration.stores.grouping import Group, groups_of, named
from roundhouse.migration.stores.walking import Tree, read_small

_REPO = re.compile(r"models--([A-Za-z0-9][A-Za-z0-9._-]*?)(?:--([A-Za-z0-9_.][A-Za-z0-9._-]*))?", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def look(tree: Tree) -> Inventory:
    """What the cache in *tree* holds. Raises SchemaError."""
    found = Collecting(Kind.HUGGINGFACE, tree)
    for folder in sorted(tree.root.glob("models--*")):
        if folder.is_dir() and not folder.is_symlink() and _REPO.fullmatch(folder.name):
            _read_repo(found, folder)
    return found.inventory()


def _read_repo(found: Collecting, folder: Path) -> None:
    for path in sorted([*folder.glob("blobs/*.incomplete"), *folder.glob("blobs/*.downloadInProgress")]):
        found.problem(found.tree.place(path), Trouble.PARTIAL, "a download that was cut off")
    snapshots = sorted(path for path in folder.glob("snapshots/*") if _COMMIT.fullmatch(path.name) and path.is_dir())
    current = _current(found, folder, snapshots)
    for snapshot in snapshots:
        if snapshot != current:
            place = found.tree.place(snapshot)
            found.problem(place, Trouble.OLDER, "another revision; only the one of main is adopted")
            for path in Tree(snapshot).files():
                found.hold(path.resolve())
    if current is not None:
        _read_snapshot(found, folder, current)


def _current(found: Collecting, folder: Path, snapshots: Sequence[Path]) -> Path | None:
    """The snapshot that main points to, or the newest there is."""
    try:
        commit = read_small(folder / "refs" / "main", found.tree.root, 64).decode("ascii").strip()
    except (OSError, ValueError, SchemaError):
        commit = ""
    for snapshot in snapshots:
        if snapshot.name == commit:
            return snapshot
    return max(snapshots, key=lambda path: (path.stat().st_mtime_ns, path.name), default=None)


def _read_snapshot(found: Collecting, folder: Path, snapshot: Path) -> None:
    parts = _REPO.fullmatch(folder.name)
    repo = "/".join(part for part in (parts.groups() if parts else ()) if part)
    tree = Tree(snapshot)
    by_folder: dict[Path, dict[str, Path]] = defaultdict(dict)
    for path in tree.files():
        by_folder[path.parent][path.name] = path
    groups = [(members, group) for members in by_folder.values() for group in groups_of(members)]
    names = named(repo, [group for _, group in groups])
    if not groups:
        found.problem(
            found.tree.place(snapshot),
            Trouble.UNSUPPORTED,
            f"{repo} holds no GGUF model and no whole set of safetensors",
        )
    mixed = any(not group.is_tensors for _, group in groups)
    for members, group in groups:
        ref = f"hf:{repo}:safetensors" if group.is_tensors and mixed else f"hf:{names[group.stem]}"
        _read_group(found, snapshot, _Model(names[group.stem], ref, group), members)


@dataclass(frozen=True, slots=True)
class _Model:
    """One model of a repository, before its files were looked at."""

    name: str
    ref: str
    group: Group


def _read_group(found: Collecting, snapshot: Path, model: _Model, members: Mapping[str, Path]) -> None:
    group, place = model.group, found.tree.place(members[model.group.names[0]])
    files = [_file(found, snapshot, place, members[name]) for name in group.names]
    if group.missing:
        found.problem(place, Trouble.PARTIAL, f"{group.missing} of its shards are missing")
    whole = [file for file in files if file is not None]
    if group.missing or len(whole) != len(files):
        for file in whole:
            found.hold(file.path)
        return
    found.model(
        FoundModel(
            model=model.name,
            ref=model.ref,
            source="hf",
            revision=snapshot.name,
            files=tuple(whole),
            place=place,
            entries=tuple(members[name] for name in group.names if members[name].is_symlink()),
        )
    )


def _file(found: Collecting, snapshot: Path, place: str, path: Path) -> FoundFile | None:
    """The blob behind one name of a snapshot; a link may lead to the blobs of its own repository and nowhere else."""
    if path.is_symlink():
        real, blobs = path.resolve(), snapshot.parent.parent / "blobs"
        if real.parent != blobs:
            found.problem(place, Trouble.OUTSIDE, f"{path.name} does not lead to a blob of its repository")
            return None
        promised = Digest(real.name) if _SHA256.fullmatch(real.name) else None
        return found.file(place, path, path.name, promised)
    return found.file(place, path, path.name)
