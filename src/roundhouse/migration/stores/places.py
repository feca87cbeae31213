"""Where the stores usually are, and whose layout a folder has. Knows nothing about what is in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from roundhouse.core.errors import ForbiddenError, NotFoundError, SchemaError
from roundhouse.migration.found import Inventory, Kind
from roundhouse.migration.stores import huggingface, llamacpp, ollama, tree
from roundhouse.migration.stores.walking import Tree

_LOOKS: Mapping[Kind, Callable[[Tree], Inventory]] = {
    Kind.HUGGINGFACE: huggingface.look,
    Kind.OLLAMA: ollama.look,
    Kind.LMSTUDIO: tree.look_lmstudio,
    Kind.LLAMACPP: llamacpp.look,
    Kind.FOLDER: tree.look,
}
_NO_STORES = tuple(map(Path, ("/proc", "/sys", "/dev", "/run")))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The person whose stores are looked for."""

    home: Path
    environ: Mapping[str, str]
    #: Our own folders, which are nobody's store.
    ours: tuple[Path, ...] = ()

    def path(self, *names: str) -> Path | None:
        """The folder that the first of these variables names."""
        value = next((self.environ[name] for name in names if self.environ.get(name)), None)
        return None if value is None else Path(value).expanduser()


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that may be a store."""

    kind: Kind
    path: Path


def usual_places(around: Surroundings) -> tuple[Place, ...]:
    """The folders where the stores of this person would be, whether they are there or not."""
    caches = around.path("XDG_CACHE_HOME") or around.home / ".cache"
    hub = around.path("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")
    hub = hub or (around.path("HF_HOME") or caches / "huggingface") / "hub"
    places = [
        Place(Kind.HUGGINGFACE, hub),
        Place(Kind.OLLAMA, around.path("OLLAMA_MODELS") or around.home / ".ollama" / "models"),
        Place(Kind.OLLAMA, Path("/usr/share/ollama/.ollama/models")),
        Place(Kind.LMSTUDIO, around.home / ".lmstudio" / "models"),
        Place(Kind.LMSTUDIO, caches / "lm-studio" / "models"),
        Place(Kind.LLAMACPP, around.path("LLAMA_CACHE") or caches / "llama.cpp"),
        Place(Kind.LLAMACPP, around.home / "Library" / "Caches" / "llama.cpp"),
    ]
    return tuple(places)


def kind_of(root: Path) -> Kind:
    """Whose layout *root* has, by its folders."""
    if (root / "manifests").is_dir() and (root / "blobs").is_dir():
        return Kind.OLLAMA
    if any(root.glob("models--*/snapshots")) or any(root.glob("models--*/blobs")):
        return Kind.HUGGINGFACE
    if root.parts[-2:] in {(".lmstudio", "models"), ("lm-studio", "models")}:
        return Kind.LMSTUDIO
    if root.name == "llama.cpp" and any(root.glob("*.gguf")):
        return Kind.LLAMACPP
    return Kind.FOLDER


def look(path: Path, around: Surroundings, kind: Kind | None = None) -> Inventory:
    """What the store at *path* holds; the folder above it may be named too.

    Raises NotFoundError, ForbiddenError, SchemaError.
    """
    root = _root(path, around)
    found = kind or kind_of(root)
    below = {Kind.OLLAMA: "models", Kind.HUGGINGFACE: "hub", Kind.LMSTUDIO: "models"}
    if kind is None and found is Kind.FOLDER:
        for guess, name in below.items():
            if kind_of(root / name) is guess:
                root, found = root / name, guess
                break
    try:
        inventory = _LOOKS[found](Tree(root, frozenset(around.ours)))
    except OSError as error:
        message = f"cannot read {root}: {error.strerror or error}"
        raise ForbiddenError(message, hint="let this user read there") from error
    return inventory


def _root(path: Path, around: Surroundings) -> Path:
    """The real folder behind *path*, if it may be a store. Raises NotFoundError, ForbiddenError, SchemaError."""
    if not path.is_absolute():
        message = f"not an absolute path: {str(path)[:200]!r}"
        raise SchemaError(message)
    try:
        root = path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        message = f"there is no folder {str(path)[:200]}"
        raise NotFoundError(message, hint="see what is found with `roundhouse models migrate`") from error
    if not root.is_dir():
        message = f"{path} is no folder"
        raise SchemaError(message, hint="name the folder of the store; one file is pulled with `roundhouse pull`")
    refused = (*_NO_STORES, *(ours.resolve() for ours in around.ours))
    if root == Path("/") or any(root.is_relative_to(place) for place in refused):
        message = f"{path} is nobody's store"
        raise ForbiddenError(message, hint="name a folder with models in it")
    return root
