"""Ollama's store: manifests by name, blobs by digest. Knows nothing about the registry they came from.

The names of the files are those that a pull from the registry gives them, so that both mean the same model.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated

import msgspec

from roundhouse.core.artifacts import Digest
from roundhouse.core.errors import SchemaError
from roundhouse.migration.found import FoundFile, FoundModel, Inventory, Kind, Trouble
from roundhouse.migration.stores.collecting import Collecting
from roundhouse.migration.stores.walking import Tree, read_small

_TYPE = "application/vnd.ollama.image."
_BESIDE = {
    f"{_TYPE}template": "template",
    f"{_TYPE}system": "system",
    f"{_TYPE}params": "params.json",
    f"{_TYPE}messages": "messages.json",
    f"{_TYPE}license": "license",
}
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:-]{0,349}", re.ASCII)
_LEVELS = 4
_NOT_APPLIED = "its template, system text and parameters are kept beside the weights, but not applied"


class _Layer(msgspec.Struct, rename="camel"):
    media_type: str
    digest: str
    size: Annotated[int, msgspec.Meta(ge=0, le=1 << 50)]


class _Manifest(msgspec.Struct, rename="camel"):
    layers: Annotated[list[_Layer], msgspec.Meta(max_length=1000)]
    config: _Layer | None = None


class _Config(msgspec.Struct):
    remote_host: str | None = None


def look(tree: Tree) -> Inventory:
    """What Ollama has in *tree*. Raises SchemaError."""
    found = Collecting(Kind.OLLAMA, tree)
    for path in Tree(tree.root / "manifests").files():
        _read(found, path)
    for path in sorted((tree.root / "blobs").glob("sha256-*-partial")):
        found.problem(tree.place(path), Trouble.PARTIAL, "a download that was cut off")
    return found.inventory()


def _read(found: Collecting, path: Path) -> None:
    place = found.tree.place(path)
    parts = path.relative_to(found.tree.root / "manifests").parts
    if len(parts) != _LEVELS or not _HOST.fullmatch(parts[0]) or not all(map(_PART.fullmatch, parts[1:])):
        found.problem(place, Trouble.BROKEN, "not the place of a manifest")
        return
    try:
        raw = read_small(path, found.tree.root)
        manifest = msgspec.json.decode(raw, type=_Manifest)
        digests = [Digest(layer.digest) for layer in manifest.layers]
    except (OSError, ValueError, SchemaError, RecursionError):
        found.problem(place, Trouble.BROKEN, "not a manifest that can be read")
        return
    if not _judge(found, place, manifest):
        _hold(found, digests)
        return
    files = list(_files(found, place, parts[2], manifest.layers))
    if None in files:
        _hold(found, digests)
        return
    revision = f"sha256:{hashlib.sha256(raw).hexdigest()}"
    found.model(_model(found, path, revision, [file for file in files if file is not None]))


def _judge(found: Collecting, place: str, manifest: _Manifest) -> bool:
    """Whether the layers are a model that we can run; notes why not."""
    kinds = {layer.media_type.removeprefix(_TYPE) for layer in manifest.layers}
    if "adapter" in kinds:
        found.problem(place, Trouble.UNSUPPORTED, "it needs an adapter, which the embedded runtime does not apply")
    elif "model" in kinds:
        return True
    elif "tensor" in kinds:
        found.problem(place, Trouble.UNSUPPORTED, "its weights are in Ollama's own tensor layers, not in GGUF")
    elif _is_remote(found, manifest):
        found.problem(place, Trouble.REMOTE, "it runs in Ollama's cloud; there are no weights here")
    else:
        found.problem(place, Trouble.UNSUPPORTED, "it has no layer with weights")
    return False


def _is_remote(found: Collecting, manifest: _Manifest) -> bool:
    try:
        config = _blob(found, Digest(manifest.config.digest)) if manifest.config else None
        return config is not None and bool(
            msgspec.json.decode(read_small(config, found.tree.root), type=_Config).remote_host
        )
    except (OSError, ValueError, SchemaError, RecursionError):
        return False


def _blob(found: Collecting, digest: Digest) -> Path:
    """Where a blob is: old versions wrote a colon."""
    blobs = found.tree.root / "blobs"
    old = blobs / f"sha256:{digest}"
    return old if old.is_file() else blobs / f"sha256-{digest}"


def _hold(found: Collecting, digests: Sequence[Digest]) -> None:
    """A manifest that is not adopted still needs its blobs."""
    for digest in digests:
        found.hold(_blob(found, digest))


def _files(found: Collecting, place: str, stem: str, layers: Sequence[_Layer]) -> Iterator[FoundFile | None]:
    for name, layer in _named(stem, layers):
        digest = Digest(layer.digest)
        file = found.file(place, _blob(found, digest), name, digest)
        if file is not None and file.size != layer.size:
            detail = f"{name} has {file.size:,} bytes, its manifest promises {layer.size:,}"
            found.problem(place, Trouble.PARTIAL, detail)
            file = None
        yield file


def _named(stem: str, layers: Sequence[_Layer]) -> Iterator[tuple[str, _Layer]]:
    weights = [layer for layer in layers if layer.media_type == f"{_TYPE}model"]
    for number, layer in enumerate(weights, 1):
        yield (f"{stem}.gguf" if len(weights) == 1 else f"{stem}-{number:05}-of-{len(weights):05}.gguf"), layer
    seen: Counter[str] = Counter()
    for layer in layers:
        kind = layer.media_type
        name = f"mmproj-{stem}.gguf" if kind == f"{_TYPE}projector" else _BESIDE.get(kind)
        if name is not None:
            seen[name] += 1
            path = PurePosixPath(name)
            yield (name if seen[name] == 1 else f"{path.stem}-{seen[name]}{path.suffix}"), layer


def _model(found: Collecting, path: Path, revision: str, files: Sequence[FoundFile]) -> FoundModel:
    host, namespace, name, tag = path.parts[-_LEVELS:]
    owned = name if namespace == "library" else f"{namespace}/{name}"
    at = "" if host == "registry.ollama.ai" else f"{host}/"
    beside = any(file.name in {"template", "system", "params.json", "messages.json"} for file in files)
    return FoundModel(
        model=f"{owned}:{tag}",
        ref=f"ollama:{at}{owned}:{tag}",
        source="ollama",
        revision=revision,
        files=tuple(files),
        place=found.tree.place(path),
        entries=(path,),
        notes=(_NOT_APPLIED,) if beside else (),
    )
