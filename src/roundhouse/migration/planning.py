"""What adopting a store would do: which models come, under which names, and how their bytes get here.

Decides and changes nothing. Files are read only when their size says that the library may hold the same bytes already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from pathlib import Path

from roundhouse.core.artifacts import Artifact, Digest
from roundhouse.core.weights.variants import PROJECTOR
from roundhouse.migration.found import FoundFile, FoundModel, Inventory, Kind, Problem


class Mode(StrEnum):
    """How bytes come into the library."""

    #: The cheapest that the file systems allow: reflink, then hard link, then copy.
    AUTO = "auto"
    #: A hard link: both share the bytes, and a write through one is seen by the other.
    LINK = "link"
    #: A copy on write: shared until one of them is written to.
    REFLINK = "reflink"
    COPY = "copy"
    #: Into the library and out of the store.
    MOVE = "move"
    #: Left where they are; the library points there.
    REFERENCE = "reference"


class Method(StrEnum):
    """What is done with one file."""

    #: The library has these bytes.
    PRESENT = "present"
    LINK = "link"
    REFLINK = "reflink"
    COPY = "copy"
    REFERENCE = "reference"

    @property
    def shares(self) -> bool:
        """Whether no second copy of the bytes comes to be."""
        return self is not Method.COPY


class OnConflict(StrEnum):
    """What becomes of a model that the library has in another form."""

    SKIP = "skip"
    KEEP_BOTH = "keep-both"
    REPLACE = "replace"


class Clash(StrEnum):
    """Why a model conflicts with one of the library."""

    NAME = "same name, other bytes"
    BYTES = "same bytes, other name"


@dataclass(frozen=True, slots=True)
class Conflict:
    """A model of the store that does not go together with one of the library."""

    model: str
    place: str
    clash: Clash
    #: The model that is here already.
    known: str
    #: What is done about it.
    resolution: OnConflict


@dataclass(frozen=True, slots=True)
class Task:
    """One file and the way it takes."""

    file: FoundFile
    method: Method


@dataclass(frozen=True, slots=True)
class Step:
    """One model that will be adopted."""

    found: FoundModel
    #: What it will be called here.
    model: str
    tasks: tuple[Task, ...]
    #: Models of the library that it takes the place of.
    replaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """How somebody wants it."""

    mode: Mode = Mode.AUTO
    on_conflict: OnConflict = OnConflict.SKIP


@dataclass(frozen=True, slots=True)
class MigrationPlan:
    """What will be done."""

    kind: Kind
    root: Path
    wish: Wish
    steps: tuple[Step, ...] = ()
    #: Names of models that are here already, with these bytes.
    unchanged: tuple[str, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    problems: tuple[Problem, ...] = ()
    #: Files and links that leave the store once all models that need them are here.
    leaving: tuple[Path, ...] = ()

    @property
    def bytes_total(self) -> int:
        """Bytes of all files that the models need, each file once."""
        return sum(self._sizes(lambda _: True))

    @property
    def bytes_copied(self) -> int:
        """Bytes that the disk must have room for."""
        return sum(self._sizes(lambda method: method is Method.COPY))

    @property
    def bytes_shared(self) -> int:
        """Bytes that need no room, because they are shared."""
        return sum(self._sizes(lambda method: method.shares))

    def _sizes(self, wanted: Callable[[Method], bool]) -> list[int]:
        tasks = [task for step in self.steps for task in step.tasks if wanted(task.method)]
        return list({task.file.path: task.file.size for task in tasks}.values())


@dataclass(frozen=True, slots=True)
class Ground:
    """What planning needs to know about this machine and the library."""

    artifacts: Sequence[Artifact]
    #: The digest of a file, read if it must be. Raises OSError.
    digest_of: Callable[[FoundFile], Digest]
    has: Callable[[Digest], bool]
    #: How a file would come in, without regard to what is here.
    method_of: Callable[[FoundFile, Mode], Method]


def make_plan(inventory: Inventory, wish: Wish, ground: Ground) -> MigrationPlan:
    """The plan for *inventory*. Blocks when files must be read."""
    drafting = _Drafting(inventory, wish, ground)
    for found in inventory.models:
        drafting.consider(found)
    return drafting.plan()


@dataclass(slots=True)
class _Drafting:
    inventory: Inventory
    wish: Wish
    ground: Ground
    steps: list[Step] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    skipped: list[FoundModel] = field(default_factory=list)

    def consider(self, found: FoundModel) -> None:
        by_name = {artifact.model: artifact for artifact in self.ground.artifacts}
        same = [artifact for artifact in self.ground.artifacts if self._same_bytes(found, artifact)]
        planned = {step.model: step for step in self.steps}
        if any(artifact.model == found.model for artifact in same):
            self.unchanged.append(found.model)
            self.skipped.append(found)
        elif found.model in by_name:
            self._clash(found, Clash.NAME, found.model, replaceable=True)
        elif same:
            self._clash(found, Clash.BYTES, same[0].model, replaceable=True)
        elif found.model in planned:
            if self._alike(found, planned[found.model].found):
                self.unchanged.append(found.model)
                self.skipped.append(found)
            else:  # two of the store: neither is ours to throw away
                self._clash(found, Clash.NAME, found.model, replaceable=False)
        else:
            self._adopt(found, found.model)

    def _clash(self, found: FoundModel, clash: Clash, known: str, *, replaceable: bool) -> None:
        resolution = self.wish.on_conflict
        if resolution is OnConflict.REPLACE and not replaceable:
            resolution = OnConflict.SKIP
        model = found.model
        if resolution is OnConflict.KEEP_BOTH and clash is Clash.NAME:
            free = self._free_name(found)
            if free is None:  # adopted under such a name before
                return
            model = free
        self.conflicts.append(Conflict(model, found.place, clash, known, resolution))
        if resolution is OnConflict.SKIP:
            self.skipped.append(found)
        else:
            self._adopt(found, model, (known,) if resolution is OnConflict.REPLACE else ())

    def _free_name(self, found: FoundModel) -> str | None:
        """A name beside the taken one; ``None`` when a model of these bytes bears such a name already."""
        taken = {artifact.model: artifact for artifact in self.ground.artifacts}
        planned = {step.model for step in self.steps}
        for number in count(2):
            name = f"{found.model}-{number}"
            if name in taken and self._same_bytes(found, taken[name]):
                self.unchanged.append(name)
                self.skipped.append(found)
                return None
            if name not in taken and name not in planned:
                return name
        return None

    def _adopt(self, found: FoundModel, model: str, replaces: tuple[str, ...] = ()) -> None:
        tasks = tuple(Task(file, self._method(file)) for file in found.files)
        self.steps.append(Step(found, model, tasks, replaces))

    def _method(self, file: FoundFile) -> Method:
        if file.promised is not None and self.ground.has(file.promised):
            return Method.PRESENT
        return self.ground.method_of(file, self.wish.mode)

    def _same_bytes(self, found: FoundModel, artifact: Artifact) -> bool:
        """Whether the weights are the same; files are read only when their sizes are."""
        ours = sorted((file.size, str(file.digest)) for file in artifact.files if _is_weight(file.name))
        theirs = [file for file in found.files if _is_weight(file.name)]
        if sorted(file.size for file in theirs) != [size for size, _ in ours]:
            return False
        return sorted((file.size, str(self._digest(file))) for file in theirs) == ours

    def _alike(self, one: FoundModel, other: FoundModel) -> bool:
        first, second = ([file for file in each.files if _is_weight(file.name)] for each in (one, other))
        if sorted(file.size for file in first) != sorted(file.size for file in second):
            return False
        return sorted(map(str, map(self._digest, first))) == sorted(map(str, map(self._digest, second)))

    def _digest(self, file: FoundFile) -> Digest | None:
        try:
            return file.promised or self.ground.digest_of(file)
        except OSError:
            return None

    def plan(self) -> MigrationPlan:
        """Put together what was considered."""
        return MigrationPlan(
            self.inventory.kind,
            self.inventory.root,
            self.wish,
            tuple(self.steps),
            tuple(self.unchanged),
            tuple(self.conflicts),
            self.inventory.problems,
            self._leaving() if self.wish.mode is Mode.MOVE else (),
        )

    def _leaving(self) -> tuple[Path, ...]:
        """What a move takes out of the store: nothing that something which stays behind still needs."""
        held = set(self.inventory.held) | {file.path for found in self.skipped for file in found.files}
        moving = list(self.steps)
        while staying := [step for step in moving if held.intersection(_weights(step))]:
            held.update(file.path for step in staying for file in step.found.files)
            moving = [step for step in moving if step not in staying]
        paths = [path for step in moving for path in (*step.found.entries, *(file.path for file in step.found.files))]
        return tuple(path for path in dict.fromkeys(paths) if path not in held)


def _weights(step: Step) -> set[Path]:
    return {file.path for file in step.found.files if _is_weight(file.name)}


def _is_weight(name: str) -> bool:
    return name.lower().endswith((".gguf", ".safetensors")) and not PROJECTOR.search(name)
