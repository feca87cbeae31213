"""What a hub offers that could be pulled, with what each variant would need here. Knows nothing about HTTP.

A hub's search tells names; files and sizes have to be asked for one repository at a time.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from roundhouse.core.desks.browse import Memory, Offer, OfferedVariant, Query
from roundhouse.core.errors import AuthError, ForbiddenError, LicenseError, NotFoundError, PolicyError, SchemaError
from roundhouse.sources.choice import Scale, Variant, choose, size_of, variants
from roundhouse.sources.hub_api import HubApi, Revision

#: Questions to the hub at a time: it counts them.
_AT_ONCE = 4


async def offers(api: HubApi, memory: Memory | None, query: Query) -> Sequence[Offer]:
    """What fits *query*, in the hub's order; repositories that nobody could pull are left out.

    Raises NetworkError, LimitError, AuthError, SchemaError, OfflineError.
    """
    turns = asyncio.Semaphore(_AT_ONCE)

    async def look(name: str) -> Offer | None:
        async with turns:
            try:
                return _offer(name, await api.revision(name, None), memory)
            except (AuthError, ForbiddenError, LicenseError, NotFoundError, PolicyError):
                return None  # gone, or closed, since the hub made its list

    names = await api.search(query)
    try:
        async with asyncio.TaskGroup() as group:
            looking = [group.create_task(look(name)) for name in names]
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from several
    return [offer for task in looking if (offer := task.result()) is not None and offer.variants]


def _offer(name: str, revision: Revision, memory: Memory | None) -> Offer:
    sizes = {file.path: file.size for file in revision.files}
    scale = Scale(sizes, memory, revision.context) if memory else None
    found = [variant for variant in variants(list(sizes)) if all(_can_be_typed(path) for path in variant.paths)]
    named = Counter(variant.quantization for variant in found)
    # Two files of one quantisation are told apart by their names.
    refs = {
        variant: f"hf:{name}:{variant.label if named[variant.quantization] == 1 else variant.paths[0]}"
        for variant in found
    }
    offered = [_offered(variant, ref, size_of(sizes, variant), scale) for variant, ref in refs.items()]
    try:
        suggested = refs.get(choose(list(sizes), None, scale))
    except (PolicyError, SchemaError):
        suggested = None
    return Offer(
        name=name,
        ref=f"hf:{name}",
        license=revision.license,
        gated=revision.gated,
        downloads=revision.downloads,
        likes=revision.likes,
        updated_at=revision.updated_at,
        context=revision.context,
        suggested=suggested,
        variants=tuple(sorted(offered, key=lambda variant: (variant.size or 0, variant.ref))),
    )


def _offered(variant: Variant, ref: str, size: int | None, scale: Scale | None) -> OfferedVariant:
    need = scale.need_of(variant) if scale else None
    fits = None if scale is None or need is None else need <= scale.memory.limit
    return OfferedVariant(variant.quantization, ref, size, need, fits)


def _can_be_typed(path: str) -> bool:
    return path.isprintable() and " " not in path
