"""The registry as a JSON document, and the JSON Schema of it. Knows nothing about blobs or libraries.

Later versions add properties: whoever reads the document passes over those that it does not know. What a property means
does not change without another ``version``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Annotated, Literal, TypeVar

import msgspec

from roundhouse.core.artifacts import Artifact, ArtifactFile, Digest, FileName
from roundhouse.core.errors import SchemaError, TooLargeError
from roundhouse.core.marks import MOST_TAGS, UNMARKED, Mark, Tag

T = TypeVar("T")
_ROOT = "$"
SCHEMA_ID = "urn:roundhouse:registry:1"
#: Bytes of a document: about a hundred thousand models.
LARGEST = 32 << 20
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
_Word = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
_Name = Annotated[
    str,
    msgspec.Meta(
        pattern="^[A-Za-z0-9](?:[A-Za-z0-9._-]|[/:](?=[A-Za-z0-9]))*$",
        max_length=200,
        description="what the model is asked for by",
    ),
]
_Ref = Annotated[
    str,
    msgspec.Meta(pattern="^[a-z][a-z0-9+.-]*:", max_length=4096, description="what was pulled, with its scheme"),
]
_Sha256 = Annotated[
    str, msgspec.Meta(pattern="^[0-9a-f]{64}$", max_length=64, description="the sha256 of all bytes, as lower-case hex")
]
_Tag = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9._-]{0,63}$", max_length=64)]
_AT = re.compile(r"(?P<problem>.*) - at `(?P<path>\$.*)`", re.DOTALL)


class RegisteredFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """One file of a model."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=1024, description="a relative path")]
    size: _Count
    digest: _Sha256


class RegisteredArtifact(msgspec.Struct, frozen=True, omit_defaults=True):
    """One model. Its first file is the one that a runtime is pointed at."""

    name: _Name
    ref: _Ref
    source: _Word
    revision: _Text
    format: _Word
    created_at: Annotated[datetime, msgspec.Meta(tz=True)]
    files: Annotated[tuple[RegisteredFile, ...], msgspec.Meta(min_length=1, max_length=10_000)]
    license: _Word | None = None
    architecture: _Word | None = None
    quantization: _Word | None = None
    context: _Count | None = None
    parameters: _Count | None = None
    has_chat_template: bool = False
    pinned: bool = False
    tags: Annotated[tuple[_Tag, ...], msgspec.Meta(max_length=MOST_TAGS)] = ()
    license_digest: _Sha256 | None = None
    license_source: _Word | None = None


class Registry(msgspec.Struct, frozen=True, omit_defaults=True):
    """The models of a library, by name."""

    format: Literal["roundhouse-registry"]
    version: Literal[1]
    artifacts: Annotated[tuple[RegisteredArtifact, ...], msgspec.Meta(max_length=100_000)]


def json_schema() -> dict[str, object]:
    """The schema that is published, made from the types above."""
    made = msgspec.json.schema(Registry)
    definitions: Mapping[str, Mapping[str, object]] = made["$defs"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "The registry of a Roundhouse library",
        "$ref": made["$ref"],
        "$defs": {name: {**each, "additionalProperties": True} for name, each in definitions.items()},
    }


@dataclass(frozen=True, slots=True)
class Contents:
    """What a document tells."""

    artifacts: tuple[Artifact, ...]
    #: What people had said about them, by name; nothing about most.
    marks: Mapping[str, Mark]


def write(artifacts: Sequence[Artifact], marks: Mapping[str, Mark] | None = None) -> bytes:
    """The document of *artifacts*, and of what is said about them: the same ones give the same bytes."""
    ordered = sorted(artifacts, key=lambda artifact: artifact.model)
    registry = Registry(
        "roundhouse-registry", 1, tuple(_registered(each, (marks or {}).get(each.model, UNMARKED)) for each in ordered)
    )
    return msgspec.json.format(msgspec.json.encode(registry), indent=2) + b"\n"


def _registered(artifact: Artifact, mark: Mark) -> RegisteredArtifact:
    return RegisteredArtifact(
        name=artifact.model,
        ref=artifact.ref,
        source=artifact.source,
        revision=artifact.revision,
        format=artifact.format,
        created_at=artifact.created_at.astimezone(UTC),
        files=tuple(RegisteredFile(str(file.name), file.size, str(file.digest)) for file in artifact.files),
        license=artifact.license,
        architecture=artifact.architecture,
        quantization=artifact.quantization,
        context=artifact.context,
        parameters=artifact.parameters,
        has_chat_template=artifact.has_chat_template,
        pinned=mark.pinned,
        tags=tuple(map(str, mark.tags)),
        license_digest=None if artifact.license_digest is None else str(artifact.license_digest),
        license_source=artifact.license_source,
    )


def read(document: bytes) -> Contents:
    """What *document* tells. Raises SchemaError that names the JSON path, TooLargeError."""
    if len(document) > LARGEST:
        message = f"a registry has {LARGEST:,} bytes at most"
        raise TooLargeError(message)
    registry = decoded(document, Registry)
    seen: dict[str, int] = {}
    sizes: dict[str, int] = {}
    for number, each in enumerate(registry.artifacts):
        path = f"$.artifacts[{number}]"
        if seen.setdefault(each.name, number) != number:
            raise refusal(path + ".name", f"is the name of $.artifacts[{seen[each.name]}], too")
        for place, file in enumerate(each.files):
            if sizes.setdefault(file.digest, file.size) != file.size:
                raise refusal(path + f".files[{place}].size", "is another one than before, of the same digest")
    artifacts = tuple(_artifact(each, f"$.artifacts[{number}]") for number, each in enumerate(registry.artifacts))
    return Contents(artifacts, {each.name: _mark(each) for each in registry.artifacts if each.pinned or each.tags})


def _mark(each: RegisteredArtifact) -> Mark:
    return Mark(each.pinned, tuple(sorted({Tag(tag) for tag in each.tags})))


def decoded(document: bytes, kind: type[T]) -> T:
    """*document* as *kind*. Raises SchemaError that names the JSON path."""
    try:
        return msgspec.json.decode(document, type=kind)
    except RecursionError:
        raise refusal(_ROOT, "is nested too deeply") from None
    except ValueError as error:
        told = _AT.fullmatch(str(error))
        raise (refusal(told["path"], told["problem"]) if told else refusal(_ROOT, str(error))) from None


def refusal(path: str, problem: str) -> SchemaError:
    """What is wrong, and where in the document."""
    return SchemaError(f"{path[:200]}: {problem[:400]}", details={"path": path[:200]})


def _artifact(each: RegisteredArtifact, path: str) -> Artifact:
    for name, value in _texts(each):
        if not value.isprintable():
            raise refusal(path + f".{name}", "holds characters that cannot be printed")
    try:
        created_at = each.created_at.astimezone(UTC)
    except OverflowError:
        raise refusal(path + ".created_at", "is outside the calendar") from None
    return Artifact(
        model=each.name,
        ref=each.ref,
        source=each.source,
        revision=each.revision,
        files=tuple(_files(each, path)),
        format=each.format,
        created_at=created_at,
        architecture=each.architecture,
        quantization=each.quantization,
        context=each.context,
        parameters=each.parameters,
        has_chat_template=each.has_chat_template,
        license=each.license,
        license_digest=None if each.license_digest is None else Digest(each.license_digest),
        license_source=each.license_source,
    )


def _texts(each: RegisteredArtifact) -> Iterator[tuple[str, str]]:
    for name in ("ref", "source", "revision", "format", "license", "license_source", "architecture", "quantization"):
        value = getattr(each, name)
        if value is not None:
            yield name, value


def _files(each: RegisteredArtifact, path: str) -> Iterator[ArtifactFile]:
    """The files, whose names are safe and differ from each other wherever case is ignored, too."""
    seen: set[str] = set()
    folders = {str(parent) for file in each.files for parent in PurePosixPath(file.name.casefold()).parents}
    for number, file in enumerate(each.files):
        place = f"{path}.files[{number}].name"
        try:
            name = FileName(file.name)
        except SchemaError as error:
            raise refusal(place, error.message) from None
        if name.casefold() in seen or name.casefold() in folders:
            raise refusal(place, "is the name of another file or folder of this model")
        seen.add(name.casefold())
        yield ArtifactFile(name, file.size, Digest(file.digest))
