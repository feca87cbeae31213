"""Which files of a model hold its weights, and which only lie beside them. Pure; knows nothing about their bytes.

The first file is the one that a runtime is pointed at, whatever it is called.
"""

from __future__ import annotations

from collections.abc import Sequence

from roundhouse.core.artifacts import ArtifactFile


def weights_of(files: Sequence[ArtifactFile]) -> Sequence[ArtifactFile]:
    """The first file and its further shards."""
    return [*files[:1], *(file for file in files[1:] if _is_gguf(file) and not _is_projector(file))]


def projector_of(files: Sequence[ArtifactFile]) -> ArtifactFile | None:
    """The file that turns pictures into what the model reads, if one came along."""
    return next((file for file in files[1:] if _is_gguf(file) and _is_projector(file)), None)


def _is_gguf(file: ArtifactFile) -> bool:
    return file.name.lower().endswith(".gguf")


def _is_projector(file: ArtifactFile) -> bool:
    return "mmproj" in file.name.lower()
