"""Which files of a repository make the model that was asked for. Pure; knows nothing about hubs.

A repository holds the same weights many times over, once per quantisation, and large ones in shards.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from roundhouse.core.errors import NotFoundError, PolicyError, SchemaError

#: What we take when nobody says: good for its size first, then the next best.
PREFERRED = ("Q4_K_M", "UD-Q4_K_XL", "Q4_K_S", "Q4_0", "Q5_K_M", "Q8_0", "MXFP4", "MXFP4_MOE", "BF16", "F16")

_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf", re.IGNORECASE)
_QUANT = re.compile(
    r"(?:^|[-._/])((?:UD-)?I?Q\d(?:_[0-9A-Z]+)*|TQ\d_\d|MXFP4(?:_MOE)?|BF16|F16|F32)(?=$|[-./])", re.IGNORECASE
)
_SIDECAR = re.compile(r"(?:^|/)(?:mmproj|mtp)-|imatrix", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Variant:
    """One complete model in a repository."""

    quantization: str | None
    paths: tuple[str, ...]

    @property
    def label(self) -> str:
        """What to ask for to get exactly this one."""
        return self.quantization or self.paths[0]


def choose(paths: Sequence[str], wanted: str | None) -> Variant:
    """The variant that *wanted* (a quantisation, a file name or a glob) names, or the best by default.

    Raises PolicyError when there is no GGUF at all, NotFoundError and SchemaError with the choices.
    """
    found = variants(paths)
    if not found:
        message = "no GGUF file in this repository; the embedded runtime serves only GGUF now"
        raise PolicyError(message, hint="look for a repository of the same model whose name ends in -GGUF")
    if wanted is not None:
        return _named(found, wanted)
    if len(found) == 1:
        return found[0]
    for quantization in PREFERRED:
        fitting = [variant for variant in found if variant.quantization == quantization]
        if len(fitting) == 1:
            return fitting[0]
    message = "several models are in this repository, and none of them is an obvious choice"
    raise SchemaError(message, hint=_hint(found), details={"choices": [variant.label for variant in found]})


def _named(found: Sequence[Variant], wanted: str) -> Variant:
    fitting = [variant for variant in found if _fits(variant, wanted)]
    if len(fitting) == 1:
        return fitting[0]
    choices = fitting or found
    details: dict[str, object] = {"choices": [variant.label for variant in choices]}
    if not fitting:
        message = f"nothing in this repository is called {wanted}"
        raise NotFoundError(message, hint=_hint(choices), details=details)
    message = f"{wanted} fits several models in this repository"
    raise SchemaError(message, hint=_hint([Variant(None, variant.paths) for variant in choices]), details=details)


def _fits(variant: Variant, wanted: str) -> bool:
    if (variant.quantization or "").lower() == wanted.lower():
        return True
    names = [name for path in variant.paths for name in (path, path.rpartition("/")[2])]
    return any(fnmatchcase(name, wanted) or name.removesuffix(".gguf") == wanted for name in names)


def _hint(found: Sequence[Variant]) -> str:
    labels = [variant.label for variant in found]
    more = f" and {len(labels) - 12} more" if len(labels) > 12 else ""  # noqa: PLR2004 (what fits on two lines)
    return f"add one of these after a colon: {', '.join(labels[:12])}{more}"


def variants(paths: Sequence[str]) -> list[Variant]:
    """Every complete model among *paths*; a model with a missing shard is none."""
    groups: dict[tuple[str, int], list[str]] = defaultdict(list)
    for path in sorted(paths):
        if not path.lower().endswith(".gguf") or _SIDECAR.search(path):
            continue
        shard = _SHARD.fullmatch(path)
        groups[(shard["stem"], int(shard["count"])) if shard else (path, 1)].append(path)
    return [
        Variant(quantization_of(stem), tuple(members))
        for (stem, count), members in groups.items()
        if len(members) == count
    ]


def quantization_of(path: str) -> str | None:
    """The quantisation that a file's name or folder tells, in upper case."""
    found = _QUANT.findall(re.sub(r"\.gguf$", "", path, flags=re.IGNORECASE))
    return found[-1].upper() if found else None
