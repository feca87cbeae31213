"""Any tree of model files, and LM Studio's, which is one with two levels of names. Knows nothing about runtimes."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from roundhouse.core.errors import SchemaError
from roundhouse.migration.found import FoundModel, Inventory, Kind, Trouble
from roundhouse.migration.stores.collecting import Collecting
from roundhouse.migration.stores.grouping import Group, groups_of, named, safe_name
from roundhouse.migration.stores.walking import Tree

_CUT_OFF = (".part", ".partial", ".crdownload", ".aria2", ".incomplete", ".download", ".downloadinprogress")


def look(tree: Tree) -> Inventory:
    """The models below *tree*, each called as a pull of its file would call it. Raises SchemaError."""
    return _look(Collecting(Kind.FOLDER, tree))


def look_lmstudio(tree: Tree) -> Inventory:
    """The models below *tree*, each called by its publisher and repository. Raises SchemaError."""
    return _look(Collecting(Kind.LMSTUDIO, tree))


def _look(found: Collecting) -> Inventory:
    by_folder: dict[Path, list[str]] = defaultdict(list)
    for path in found.tree.files():
        by_folder[path.parent].append(path.name)
        if path.name.lower().endswith(_CUT_OFF):
            found.problem(found.tree.place(path), Trouble.PARTIAL, "a download that was cut off")
    for folder, names in by_folder.items():
        groups = groups_of(names)
        called = _called(found, folder, groups)
        for group in groups:
            _read_group(found, folder, group, called[group.stem])
    return found.inventory()


def _called(found: Collecting, folder: Path, groups: list[Group]) -> dict[str, str]:
    parts = folder.relative_to(found.tree.root).parts
    if found.kind is Kind.LMSTUDIO and len(parts) == len(("publisher", "repository")):
        return dict(named("/".join(parts), groups))
    called = {}
    for group in groups:
        try:
            called[group.stem] = safe_name((folder.name if group.is_tensors else group.stem).lower())
        except SchemaError:
            called[group.stem] = "model"
    return called


def _read_group(found: Collecting, folder: Path, group: Group, model: str) -> None:
    path = folder / group.names[0]
    place = found.tree.place(path)
    files = [found.file(place, folder / name, name) for name in group.names]
    whole = [file for file in files if file is not None]
    if group.missing:
        found.problem(place, Trouble.PARTIAL, f"{group.missing} of its shards are missing")
    if group.missing or len(whole) != len(files):
        for file in whole:
            found.hold(file.path)
        return
    found.model(
        FoundModel(
            model=model,
            ref=f"file:{path}",
            source="file",
            revision=f"mtime:{max(file.modified_ns for file in whole)}",
            files=tuple(whole),
            place=place,
            entries=tuple(folder / name for name in group.names if (folder / name).is_symlink()),
        )
    )
