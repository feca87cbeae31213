"""Which deployments have the same weights, and why. Pure; its time grows with the number of deployments, no faster.

Two levels. *The same weights* answer alike, so any of them may serve: the same digest; or the same model, size and
quantisation by name or repository, and nothing that contradicts it. *The same model* in another quantisation, in one
that nobody told, or in files of which something contradicts, is only told to people.

A digest settles everything. Where evidence within a group contradicts itself, only those with equal evidence stay
together: what lies between two contradicting ones is never a bridge between them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from roundhouse.routing.identity.evidence import Evidence
from roundhouse.routing.identity.families import NATIVE
from roundhouse.routing.identity.names import near, nominal

#: Quantisations in which weights were published: a packager may change the file around them, but not them.
_PUBLISHED = frozenset({*NATIVE.values(), "BF16", "F32", "as published"})
#: How far counts may be apart that no name vouches for: models of 7 and 8 billion parameters are two.
_ALIKE = 1.1
_Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Weights:
    """Deployments that have the same weights: never fewer than one."""

    #: What evidence has brought together; more than one where the owner says that they are the same.
    parts: tuple[tuple[Evidence, ...], ...]
    #: The ids of those that the owner has named in one line.
    declared: tuple[frozenset[str], ...] = ()

    @property
    def members(self) -> tuple[Evidence, ...]:
        """All of them."""
        return tuple(each for part in self.parts for each in part)

    @property
    def ids(self) -> tuple[str, ...]:
        """Their ids."""
        return tuple(each.id for each in self.members)

    def declares(self, ids: Collection[str], other: str) -> bool:
        """Whether the owner has said of *other* that it is the same as one of *ids*."""
        return any(other in line and not line.isdisjoint(ids) for line in self.declared)

    def why(self, one: str, other: str) -> str:
        """The evidence that both have the same weights, in words."""
        for part in self.parts:
            both = [each for each in part if each.id in (one, other)]
            if len(both) > 1:
                return why(*both)
        return "`same.together` says so"


@dataclass(frozen=True, slots=True)
class Grouped:
    """Every deployment in the group of its weights."""

    of: Mapping[str, Weights] = field(default_factory=dict)
    #: By model and size: the groups of it.
    kin: Mapping[tuple[str, ...], tuple[Weights, ...]] = field(default_factory=dict)
    #: By deployment: its model and size, where they are known.
    models: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def relatives(self, deployment_id: str) -> tuple[Weights, ...]:
        """The other groups of its model: in another quantisation, or not known to be the same."""
        model, own = self.models.get(deployment_id), self.of.get(deployment_id)
        return () if model is None else tuple(each for each in self.kin[model] if each is not own)


def group(evidence: Iterable[Evidence], together: Iterable[frozenset[str]] = ()) -> Grouped:
    """Put each into the group of its weights; the order of *evidence* changes nothing.

    Each of *together* are ids whose groups are one whatever speaks against it.
    """
    nodes = _by_digest(sorted(evidence, key=lambda each: each.id))
    sizes = _sizes([node for node in nodes if node.key is not None])
    byname: dict[tuple[tuple[str, ...], str], list[_Node]] = {}
    models: dict[str, tuple[str, ...]] = {}
    parts: list[tuple[Evidence, ...]] = []
    for node in nodes:
        model = _whole(node, sizes)
        if model is not None:
            models |= dict.fromkeys((each.id for each in node.members), model)
        if model is None or node.quantization is None or node.members[0].alone:
            parts.append(node.members)
        else:
            byname.setdefault((model, node.quantization), []).append(node)
    for members in byname.values():
        parts += map(_ordered, _split(members))
    groups = _merged(parts, [line for line in together if len(line) > 1])
    of = {member.id: each for each in groups for part in each.parts for member in part}
    return Grouped(of, _kin(groups, models), models)


def _merged(parts: Sequence[tuple[Evidence, ...]], together: Sequence[frozenset[str]]) -> list[Weights]:
    """One group a part, but for those that the owner brings together."""
    if not together:
        return [Weights((part,)) for part in parts]
    part_of = {member.id: number for number, part in enumerate(parts) for member in part}
    merged: dict[int, set[int]] = {}
    for line in together:
        numbers = {part_of[each] for each in line if each in part_of}
        numbers = numbers.union(*(merged.get(number, ()) for number in numbers))
        merged |= dict.fromkeys(numbers, numbers)
    sets = {min(numbers): numbers for numbers in merged.values()}
    groups = [Weights((part,)) for number, part in enumerate(parts) if number not in merged]
    for numbers in sets.values():
        joined = tuple(sorted((parts[number] for number in numbers), key=lambda part: part[0].id))
        ids = {member.id for part in joined for member in part}
        groups.append(Weights(joined, tuple(line for line in together if not line.isdisjoint(ids))))
    return groups


def _kin(
    groups: Sequence[Weights], models: Mapping[str, tuple[str, ...]]
) -> dict[tuple[str, ...], tuple[Weights, ...]]:
    kin: dict[tuple[str, ...], list[Weights]] = {}
    for each in sorted(groups, key=lambda one: one.parts[0][0].id):
        for model in sorted({models[part[0].id] for part in each.parts if part[0].id in models}):
            kin.setdefault(model, []).append(each)
    return {model: tuple(each) for model, each in kin.items()}


def why(one: Evidence, other: Evidence) -> str:
    """The evidence that both have the same weights, in words."""
    if one.digest is not None and one.digest == other.digest:
        return f"digest {one.digest[:12]}"
    if one.repo is not None and other.repo is not None and one.repo.lower() == other.repo.lower():
        return f"repository {one.repo}, {one.quantization}"
    words = " ".join(filter(None, (*(one.model or ()), one.size or other.size)))
    return f"name ({words}), {one.quantization}"


def why_not(one: Evidence, other: Evidence) -> str:
    """What speaks against the same weights of the same model, in words."""
    for each in (one, other):
        if each.alone is not None:
            return each.alone
        if each.quantization is None:
            return f"{each.id} does not tell its quantisation"
    if one.quantization != other.quantization:
        return f"another quantisation: {other.quantization}, not {one.quantization}"
    if one.digest and other.digest and one.digest != other.digest:
        return f"another file: digest {other.digest[:12]}, not {one.digest[:12]}"
    if one.packager and other.packager and one.packager != other.packager:
        return f"another file: {other.packager} made it, not {one.packager}"
    return "others contradict: it is not known whose file it is"


@dataclass(frozen=True, slots=True)
class _Node:
    """Deployments with one digest, or a single one without."""

    members: tuple[Evidence, ...]
    #: What they say in common; ``None`` when they do not agree, or say nothing.
    key: tuple[str, ...] | None
    size: str | None
    quantization: str | None

    @property
    def parameters(self) -> int | None:
        return next((each.parameters for each in self.members if each.parameters), None)

    @property
    def packagers(self) -> tuple[str, ...]:
        return tuple(sorted({each.packager for each in self.members if each.packager}))


def _by_digest(evidence: Sequence[Evidence]) -> list[_Node]:
    nodes: dict[_Key, list[Evidence]] = {}
    for each in evidence:
        if each.digest is None or each.alone or (each.dressed and each.model is None):
            nodes[("alone", each.id)] = [each]
        else:
            # What was dressed up is only the same as what goes by the same name.
            own = (each.model, each.size) if each.dressed else None
            nodes.setdefault((each.digest, own), []).append(each)
    return [_node(members) for members in nodes.values()]


def _node(members: Sequence[Evidence]) -> _Node:
    keys = {each.model for each in members if each.model is not None}
    sizes = {each.size for each in members if each.size is not None}
    labels = {each.quantization for each in members if each.quantization is not None}
    agree = len(keys) == 1 and len(sizes) <= 1 and len(labels) <= 1
    return _Node(
        tuple(members),
        next(iter(keys)) if agree else None,
        next(iter(sizes), None) if agree else None,
        next(iter(labels), None) if agree else None,
    )


def _sizes(nodes: Iterable[_Node]) -> dict[tuple[str, ...], dict[str, int]]:
    """By model: the sizes that names say, with the count that each stands for."""
    sizes: dict[tuple[str, ...], dict[str, int]] = {}
    for node in nodes:
        count = node.parameters or nominal(node.size)
        if node.key is not None and node.size is not None and count is not None:
            known = sizes.setdefault(node.key, {})
            known[node.size] = min(known.get(node.size, count), count)
    return sizes


def _whole(node: _Node, sizes: Mapping[tuple[str, ...], Mapping[str, int]]) -> tuple[str, ...] | None:
    """Model and size; ``llama3.2:latest`` has the one size that other names say and its count fits."""
    if node.key is None:
        return None
    if node.size is not None:
        return (*node.key, node.size)
    known, count = sizes.get(node.key), node.parameters
    if known is None or count is None:
        return node.key
    found = [size for size, likely in known.items() if near(likely, count)]
    return (*node.key, found[0] if len(found) == 1 else f"{count:.2g}")


def _split(nodes: list[_Node]) -> list[list[_Node]]:
    """One part when nothing contradicts; otherwise only those with equal evidence stay together."""
    counts = [count for node in nodes if (count := node.parameters) is not None]
    named = all(node.size is not None for node in nodes)
    counts_fit = not counts or near(min(counts), max(counts), *(() if named else (_ALIKE,)))
    published = nodes[0].quantization in _PUBLISHED
    digests = {node.members[0].digest for node in nodes} - {None}
    packagers = {each for node in nodes for each in node.packagers}
    if counts_fit and (published or (len(digests) <= 1 and len(packagers) <= 1)):
        return [nodes]
    parts: dict[_Key, list[_Node]] = {}
    for node in nodes:
        file = () if published else (node.members[0].digest, node.packagers)
        parts.setdefault((file, None if counts_fit else node.parameters), []).append(node)
    return list(parts.values())


def _ordered(nodes: Iterable[_Node]) -> tuple[Evidence, ...]:
    return tuple(sorted((each for node in nodes for each in node.members), key=lambda each: each.id))
