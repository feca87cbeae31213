"""Which files of a repository make the model that was asked for. Pure; knows nothing about hubs.

A repository holds the same weights many times over, once per quantisation, and large ones in shards. GGUF comes first,
because it can be served here; safetensors where there is none, or when they are asked for; pickles never.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from roundhouse.core.desks.browse import Memory
from roundhouse.core.errors import NotFoundError, PolicyError, SchemaError
from roundhouse.core.weights.variants import PROJECTOR, SHARD, SIDECAR, quantization_of
from roundhouse.sources.choosing import belonging_to, is_main, is_pickle, is_tensors, refuse_pickles, tensor_sets

#: What we take when nobody says: good for its size first, then the next best.
PREFERRED = ("Q4_K_M", "UD-Q4_K_XL", "Q4_K_S", "Q4_0", "Q5_K_M", "Q8_0", "MXFP4", "MXFP4_MOE", "BF16", "F16")

#: Of the files that read pictures for a model; they are small, and suffer when they are quantised.
_PREFERRED_PROJECTORS = ("F16", "BF16", "Q8_0", "F32")
#: As good as what nobody would tell from the original: the usual four bits, and whatever has more.
_GOOD = re.compile(r"(?:UD-)?Q4_K_(?:M|L|XL)|MXFP4(?:_MOE)?|(?:UD-)?I?Q[5-8](?:_.*)?")
_WHOLE = {"BF16", "F16", "F32"}
#: What to ask for to get safetensors where GGUF is beside them.
_TENSORS = "safetensors"
#: What model signing calls its file.
_SIGNATURE = "model.sig"


@dataclass(frozen=True, slots=True)
class Variant:
    """One complete model in a repository."""

    quantization: str | None
    paths: tuple[str, ...]

    @property
    def label(self) -> str:
        """What to ask for to get exactly this one."""
        return self.quantization or self.paths[0]

    @property
    def is_tensors(self) -> bool:
        """Whether it is a set of safetensors files."""
        return is_tensors(self.paths[0])

    @property
    def tag(self) -> str | None:
        """What tells it apart from others of its repository; ``None`` when nothing has to."""
        if not self.is_tensors or is_main(self.paths[0]):
            return self.quantization
        folder, _, name = self.paths[0].rpartition("/")
        stem = re.sub(r"(-\d{5}-of-\d{5})?\.safetensors$", "", name)
        return re.sub(r"[^A-Za-z0-9._-]+", "-", folder if stem == "model" else stem).strip("-._") or None


@dataclass(frozen=True, slots=True)
class Scale:
    """What the files of a repository weigh, and what models may take on this machine."""

    #: Bytes by path; ``None`` where the source does not tell.
    sizes: Mapping[str, int | None]
    memory: Memory
    #: Tokens that the model was trained on, if known.
    context: int | None

    def need_of(self, variant: Variant) -> int | None:
        """Bytes of memory that *variant* would take, as far as that can be told."""
        size = size_of(self.sizes, variant)
        return None if size is None else self.memory.need_of(size, self.context)

    def holds(self, variant: Variant) -> bool:
        """Whether *variant* is known to fit."""
        need = self.need_of(variant)
        return need is not None and need <= self.memory.limit


def files_of(paths: Sequence[str], variant: Variant) -> tuple[str, ...]:
    """What to fetch for *variant*: its weights, what belongs to them, and the signature of the repository."""
    signature = () if _SIGNATURE not in paths or _SIGNATURE in variant.paths else (_SIGNATURE,)
    return (*_with_companions(paths, variant), *signature)


def _with_companions(paths: Sequence[str], variant: Variant) -> tuple[str, ...]:
    """The weights and what belongs to them, or the file that reads pictures for them."""
    if variant.is_tensors:
        return (*variant.paths, *belonging_to(variant.paths, paths))
    folder = variant.paths[0].rpartition("/")[0]
    beside = [path for path in sorted(paths) if PROJECTOR.search(path) and path.rpartition("/")[0] in {folder, ""}]
    if not beside:
        return variant.paths
    ranks = {name: rank for rank, name in enumerate(_PREFERRED_PROJECTORS)}
    best = min(beside, key=lambda path: ("/" not in path and folder != "", ranks.get(quantization_of(path) or "", 9)))
    return (*variant.paths, best)


def size_of(sizes: Mapping[str, int | None], variant: Variant) -> int | None:
    """Bytes that fetching *variant* takes; ``None`` when the source does not tell."""
    each = [sizes[path] for path in files_of(list(sizes), variant)]
    known = [size for size in each if size is not None]
    return sum(known) if len(known) == len(each) else None


def choose(paths: Sequence[str], wanted: str | None, scale: Scale | None = None) -> Variant:
    """The variant that *wanted* (a quantisation, a file name or a glob) names, or the best that fits on *scale*.

    Raises PolicyError when there is nothing but pickles, or no model at all; NotFoundError and SchemaError with the
    choices.
    """
    found, sets = variants(paths), [Variant(None, members) for members in tensor_sets(paths)]
    if wanted is not None and is_pickle(wanted):
        refuse_pickles([path for path in paths if fnmatchcase(path, wanted)])
    if not found and not sets:
        refuse_pickles(paths)
        message = "no model here: neither GGUF nor safetensors with a config.json beside them"
        raise PolicyError(message, hint="look for a repository of the same model whose name ends in -GGUF")
    if sets and (not found if wanted is None else wanted.lower() == _TENSORS):
        return _main(sets)
    return _best(found, scale) if wanted is None else _named([*found, *sets], wanted)


def _main(sets: Sequence[Variant]) -> Variant:
    """The set that the repository is about."""
    if len(sets) == 1 or is_main(sets[0].paths[0]):
        return sets[0]
    message = "several models are in this repository, and none of them is an obvious choice"
    raise SchemaError(message, hint=_hint(sets), details={"choices": [one.label for one in sets]})


def _best(found: Sequence[Variant], scale: Scale | None) -> Variant:
    """The best that fits on *scale*, or the usual one."""
    if len(found) == 1:
        return found[0]
    fitting_best = _best_fitting(found, scale) if scale is not None else None
    if fitting_best is not None:
        return fitting_best
    for quantization in PREFERRED:
        fitting = [variant for variant in found if variant.quantization == quantization]
        if len(fitting) == 1:
            return fitting[0]
    message = "several models are in this repository, and none of them is an obvious choice"
    raise SchemaError(message, hint=_hint(found), details={"choices": [variant.label for variant in found]})


def _best_fitting(found: Sequence[Variant], scale: Scale) -> Variant | None:
    """The largest that fits: good ones first, then the whole weights, and poor ones when there is nothing else."""
    seen = Counter(variant.quantization for variant in found)
    fitting = [variant for variant in found if seen[variant.quantization] == 1 and scale.holds(variant)]
    return max(fitting, key=lambda variant: (_rank(variant), scale.need_of(variant) or 0, variant.label), default=None)


def _rank(variant: Variant) -> int:
    # Whole weights cost twice what eight bits do, and nobody can tell the difference.
    name = variant.quantization or ""
    return 2 if _GOOD.fullmatch(name) else 1 if name in _WHOLE else 0


def reason(found: Sequence[Variant], chosen: Variant, scale: Scale, *, asked: bool) -> str | None:
    """Why *chosen*, in one sentence; ``None`` when there is nothing to say about it."""
    if chosen.is_tensors:
        why = "as asked" if asked else "there is no GGUF file here"
        return f"safetensors, {why}: they are held, and no backend here serves them"
    need = scale.need_of(chosen)
    if need is None:
        return None
    name, room = chosen.label, f"models may take {_gib(scale.memory.limit)} here"
    if need > scale.memory.limit:
        other = "" if asked or len(found) == 1 else "; nothing in this repository would fit"
        return f"{name} needs about {_gib(need)} of memory, and {room}{other}"
    if asked or len(found) == 1:
        return f"{name} fits: it needs about {_gib(need)} of memory, and {room}"
    beyond = [(more, one.label) for one in found if (more := scale.need_of(one) or 0) > scale.memory.limit]
    larger = "" if not beyond else f"; {min(beyond)[1]} would need {_gib(min(beyond)[0])}"
    return f"{name} is the best that fits: it needs about {_gib(need)} of memory, and {room}{larger}"


def _gib(count: int) -> str:
    return f"{count / (1 << 30):.1f} GiB"


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
        if not path.lower().endswith(".gguf") or SIDECAR.search(path):
            continue
        shard = SHARD.fullmatch(path)
        groups[(shard["stem"], int(shard["count"])) if shard else (path, 1)].append(path)
    return [
        Variant(quantization_of(stem), tuple(members))
        for (stem, count), members in groups.items()
        if len(members) == count
    ]
