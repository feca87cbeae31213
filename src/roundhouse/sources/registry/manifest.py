"""What a registry's manifest says, believed only as far as its shape goes. Pure; knows nothing about HTTP.

A model is one layer with weights, or several when it is split, and beside it layers with its template, parameters and
licence. Ollama names them by media types of its own, Docker by others; plain OCI tools name only the file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Annotated

import msgspec

from roundhouse.core.artifacts import Digest, FileName, PlannedFile
from roundhouse.core.errors import PolicyError, SchemaError
from roundhouse.library.admission import together

#: What we can read, told to the registry.
ACCEPT = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"

_OLLAMA, _DOCKER = "application/vnd.ollama.image.", "application/vnd.docker.ai."
_WEIGHTS = {f"{_OLLAMA}model", f"{_DOCKER}gguf.v3"}
_PROJECTOR = {f"{_OLLAMA}projector", f"{_DOCKER}mmproj"}
#: Layers that we keep beside the weights, by the names that they get.
_BESIDE = {
    f"{_OLLAMA}template": "template",
    f"{_OLLAMA}system": "system",
    f"{_OLLAMA}params": "params.json",
    f"{_OLLAMA}messages": "messages.json",
    f"{_OLLAMA}license": "license",
    f"{_DOCKER}license": "license",
}
#: Layers without which the weights are another model.
_NEEDED = {f"{_OLLAMA}adapter": "an adapter", f"{_DOCKER}gguf.v3.lora": "an adapter"}
_TITLE, _LICENSES = "org.opencontainers.image.title", "org.opencontainers.image.licenses"
_MOST_LAYERS = 1000


class _Layer(msgspec.Struct, rename="camel"):
    media_type: str
    digest: str
    size: Annotated[int, msgspec.Meta(ge=0, le=1 << 50)]
    annotations: dict[str, str] | None = None


class _Manifest(msgspec.Struct, rename="camel"):
    layers: Annotated[list[_Layer], msgspec.Meta(max_length=_MOST_LAYERS)]


class _Described(msgspec.Struct):
    annotations: dict[str, str] = {}


def license_of(raw: bytes) -> str | None:
    """The licence that an OCI manifest names in its annotations; Ollama's name none."""
    try:
        said = msgspec.json.decode(raw, type=_Described).annotations.get(_LICENSES, "")
    except (msgspec.DecodeError, RecursionError):
        return None
    return together(re.split(r"\s+AND\s+", said, flags=re.IGNORECASE))


def files_of(raw: bytes, stem: str, repository_url: str) -> tuple[PlannedFile, ...]:
    """The files that the manifest *raw* promises, the weights first. Raises SchemaError, PolicyError."""
    try:
        layers = msgspec.json.decode(raw, type=_Manifest).layers
    except (msgspec.DecodeError, RecursionError) as error:
        message = f"{stem}: the registry's answer is not the manifest of a model"
        raise SchemaError(message, hint="several platforms under one name, or no registry at all?") from error
    for layer in layers:
        if layer.media_type in _NEEDED:
            message = f"{stem} needs {_NEEDED[layer.media_type]}, which the embedded runtime does not apply"
            raise PolicyError(message, hint="pull the model that it was merged into")
    weights = [layer for layer in layers if _is_weights(layer)]
    if not weights:
        message = f"{stem} holds no GGUF layer; the embedded runtime serves only GGUF now"
        raise PolicyError(message, hint="look for another tag of the same model")
    named = [*zip(_weight_names(stem, len(weights)), weights, strict=True), *_beside(stem, layers)]
    return tuple(_planned(name, layer, repository_url) for name, layer in named)


def _is_weights(layer: _Layer) -> bool:
    title = _title(layer)
    return layer.media_type in _WEIGHTS or (title.endswith(".gguf") and not title.startswith("mmproj"))


def _title(layer: _Layer) -> str:
    annotations: Mapping[str, str] = layer.annotations or {}
    return annotations.get(_TITLE, "").lower() if not layer.media_type.startswith((_OLLAMA, _DOCKER)) else ""


def _weight_names(stem: str, count: int) -> Sequence[str]:
    """A layer has no name of its own, and a runtime finds further shards by theirs."""
    if count == 1:
        return [f"{stem}.gguf"]
    return [f"{stem}-{number:05}-of-{count:05}.gguf" for number in range(1, count + 1)]


def _beside(stem: str, layers: Sequence[_Layer]) -> Iterator[tuple[str, _Layer]]:
    """What is kept beside the weights; a second layer of a kind is numbered."""
    seen: Counter[str] = Counter()
    for layer in layers:
        if layer.media_type in _PROJECTOR or _title(layer).startswith("mmproj"):
            name = f"mmproj-{stem}.gguf"
        elif layer.media_type in _BESIDE:
            name = _BESIDE[layer.media_type]
        else:
            continue
        seen[name] += 1
        path = PurePosixPath(name)
        yield (name if seen[name] == 1 else f"{path.stem}-{seen[name]}{path.suffix}"), layer


def _planned(name: str, layer: _Layer, repository_url: str) -> PlannedFile:
    digest = Digest(layer.digest)
    return PlannedFile(FileName(name), layer.size, digest, f"{repository_url}/blobs/sha256:{digest}")
