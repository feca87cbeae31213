"""Files of one folder put together into models: shards by their numbers, projectors beside them.

Knows nothing about whose folder it is.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from roundhouse.core.errors import SchemaError
from roundhouse.core.weights.tensor_sets import belonging_to, is_tensors, tensor_sets
from roundhouse.core.weights.variants import PROJECTOR, SHARD, SIDECAR, quantization_of

_PREFERRED_PROJECTORS = ("F16", "BF16", "Q8_0", "F32")


@dataclass(frozen=True, slots=True)
class Group:
    """The files of one model by their names in the folder, weights first."""

    stem: str
    names: tuple[str, ...]
    #: How many shards are not there.
    missing: int = 0

    @property
    def is_tensors(self) -> bool:
        """Whether it is a set of safetensors files."""
        return is_tensors(self.names[0])

    @property
    def quantization(self) -> str | None:
        """The quantisation that the name tells."""
        return None if self.names and self.is_tensors else quantization_of(self.stem)


def groups_of(names: Iterable[str]) -> list[Group]:
    """The models among *names*, which all lie in one folder."""
    listed = sorted(names)
    projector = _projector([name for name in listed if PROJECTOR.search(name)])
    shards: dict[tuple[str, int], list[str]] = defaultdict(list)
    for name in listed:
        if name.lower().endswith(".gguf") and not SIDECAR.search(name):
            shard = SHARD.fullmatch(name)
            shards[(shard["stem"], int(shard["count"])) if shard else (_stem(name), 1)].append(name)
    return [
        *(
            Group(stem, (*members, *projector), max(0, count - len(members)))
            for (stem, count), members in shards.items()
        ),
        *(Group(_stem(members[0]), (*members, *_beside(members, listed))) for members in tensor_sets(listed)),
    ]


def _beside(members: Sequence[str], names: Sequence[str]) -> Sequence[str]:
    return [name for name in belonging_to(members, names) if name not in members]


def _stem(name: str) -> str:
    return re.sub(r"\.gguf$", "", name, flags=re.IGNORECASE)


def _projector(names: Sequence[str]) -> tuple[str, ...]:
    """The projector that suffers least from its quantisation, if there is any."""
    ranks = {name: rank for rank, name in enumerate(_PREFERRED_PROJECTORS)}
    best = sorted(names, key=lambda name: (ranks.get(quantization_of(name) or "", len(ranks)), name))
    return tuple(best[:1])


def named(base: str, groups: Sequence[Group]) -> Mapping[str, str]:
    """What the models of one repository are called, by stem: by quantisation, or by file where that is not unique."""
    counts = Counter(group.quantization for group in groups)
    names = {}
    for group in groups:
        alone = counts[group.quantization] == 1
        suffix = group.quantization if alone else group.stem.rpartition("/")[2]
        names[group.stem] = safe_name(f"{base}:{suffix}" if suffix else base)
    return names


def safe_name(text: str) -> str:
    """*text* as a model may be called. Raises SchemaError when nothing usable is left."""
    name = re.sub(r"[^A-Za-z0-9._/:-]+", "-", text)
    name = re.sub(r"([/:])[^A-Za-z0-9]+", r"\1", name).strip("-._/:")[:200].rstrip("/:")
    if not name:
        message = f"no model name can be made of {text[:80]!r}"
        raise SchemaError(message)
    return name
