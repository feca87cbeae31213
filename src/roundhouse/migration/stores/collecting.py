"""Gathers what a look at a store finds. Knows nothing about any layout."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from roundhouse.core.artifacts import ArtifactFile, Digest
from roundhouse.core.errors import SchemaError
from roundhouse.library.formats import GGUF, Facts, describe
from roundhouse.migration.found import FoundFile, FoundModel, Inventory, Kind, Problem, Trouble
from roundhouse.migration.stores.walking import Tree, found_file


class Collecting:
    """One look at one store."""

    def __init__(self, kind: Kind, tree: Tree) -> None:
        self.tree = tree
        self.kind = kind
        self._models: list[FoundModel] = []
        self._problems: list[Problem] = []
        self._held: set[Path] = set()

    def problem(self, place: str, trouble: Trouble, detail: str) -> None:
        """Note what cannot be adopted."""
        self._problems.append(Problem(place, trouble, detail))

    def hold(self, path: Path) -> None:
        """Note a file that something else needs."""
        self._held.add(path)

    def file(self, place: str, path: Path, name: str, promised: Digest | None = None) -> FoundFile | None:
        """The file behind *path*; ``None`` after the reason was noted under *place*."""
        try:
            found = found_file(path, self.tree.root, name, promised)
        except OSError as error:
            trouble = Trouble.MISSING if isinstance(error, FileNotFoundError) else Trouble.BROKEN
            self.problem(place, trouble, f"{name}: {(error.strerror or 'cannot be read').lower()}")
            return None
        except SchemaError as error:
            self.problem(place, Trouble.UNSUPPORTED, error.message)
            return None
        if found is None:
            self.problem(place, Trouble.OUTSIDE, f"{name} leads out of this store, or is no file")
        return found

    def model(self, model: FoundModel) -> None:
        """Note a model, unless its headers show that it is broken; its files are held then."""
        by_key = {_key(file): file for file in model.files}
        files = [ArtifactFile(file.name, file.size, key) for key, file in by_key.items()]
        try:
            facts = describe(files, lambda key: by_key[key].path)
        except (SchemaError, OSError) as error:
            detail = error.message if isinstance(error, SchemaError) else error.strerror or "it cannot be read"
            self.problem(model.place, Trouble.BROKEN, detail)
            self._held.update(file.path for file in model.files)
            return
        self._models.append(_named(model, facts))

    def inventory(self) -> Inventory:
        """All of it."""
        return Inventory(
            self.kind,
            self.tree.root,
            tuple(sorted(self._models, key=lambda model: model.model)),
            tuple(sorted(self._problems, key=lambda problem: (problem.place, problem.detail))),
            frozenset(self._held),
        )


def _key(file: FoundFile) -> Digest:
    """Stands for a digest where nobody has read the file yet."""
    return Digest(hashlib.sha256(f"{file.name}\0{file.path}".encode()).hexdigest())


def _named(model: FoundModel, facts: Facts) -> FoundModel:
    """A hub's GGUF model is told apart by its quantisation; where no file name told it, the header does."""
    if model.source != "hf" or ":" in model.model or facts.format != GGUF or not facts.quantization:
        return model
    return replace(model, model=f"{model.model}:{facts.quantization}")
