"""Which reference leads to newer revisions of a model, and why some lead nowhere. Pure; knows nothing about sources.

A model is followed under the reference that it came by, narrowed to the file that it is: what fits this machine best
may have become another one since, and an update must not turn one quantisation into another.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from roundhouse.core.artifacts import Artifact
from roundhouse.upkeep.references import scheme_of

_HUB = re.compile(r"hf:(?P<repo>[^@:]+)(?:@(?P<revision>[^:]+))?(?::(?P<wanted>.+))?")
_COMMIT = re.compile(r"[0-9a-f]{7,40}")
_SHARD = re.compile(r"-\d{5}-of-\d{5}(?=\.)")


@dataclass(frozen=True, slots=True)
class Course:
    """Where a model goes from here."""

    #: What to resolve for its newest revision; ``None`` when it is pinned.
    ref: str | None
    #: Why there can be nothing newer.
    pinned_to: str | None = None


def course_of(artifact: Artifact) -> Course:
    """The course of *artifact*."""
    match scheme_of(artifact.ref):
        case "hf":
            return _on_a_hub(artifact)
        case "ollama" if "@" in artifact.ref:
            return Course(None, artifact.ref.partition("@")[2])
        case "https":
            return Course(None, artifact.ref.partition("#")[2])
        case _:
            return Course(artifact.ref)


def _on_a_hub(artifact: Artifact) -> Course:
    parts = _HUB.fullmatch(artifact.ref)
    if parts is None:
        return Course(artifact.ref)
    branch = parts["revision"]
    if branch is not None and _COMMIT.fullmatch(branch) and artifact.revision.startswith(branch):
        return Course(None, branch)
    at = f"@{branch}" if branch is not None else ""
    return Course(f"hf:{parts['repo']}{at}:{parts['wanted'] or _itself(artifact)}")


def _itself(artifact: Artifact) -> str:
    """The pattern that fits the first file, in however many shards it comes next time."""
    name = artifact.files[0].name
    if name.startswith("model") and name.endswith(".safetensors"):
        return "safetensors"
    return _SHARD.sub("-?????-of-?????", re.sub(r"[\[\]]", "?", name))
