"""Anthropic's list of models, page by page, and what is to be believed of each. Knows nothing about sockets.

Other servers with this API list like OpenAI: names and nothing else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from urllib.parse import quote

import msgspec

from roundhouse.backends.kinds.anthropic.nature import Nature, nature_by_name
from roundhouse.backends.wire.failures import excerpt
from roundhouse.backends.wire.figures import tokens
from roundhouse.backends.wire.mending import read_mended
from roundhouse.core.errors import BackendError
from roundhouse.core.inference import Capability, Deployment
from roundhouse.core.runtimes import Traits

_FIRST = "/v1/models?limit=1000"
#: More than this is a list that never ends.
_MOST_PAGES = 20


class _Told(msgspec.Struct):
    supported: bool = False


class _Types(msgspec.Struct):
    adaptive: _Told | None = None
    enabled: _Told | None = None
    disabled: _Told | None = None


class _Thinking(msgspec.Struct):
    supported: bool = False
    types: _Types | None = None


class _Effort(msgspec.Struct):
    low: _Told | None = None
    medium: _Told | None = None
    high: _Told | None = None
    xhigh: _Told | None = None
    max: _Told | None = None


class _Capabilities(msgspec.Struct):
    image_input: _Told | None = None
    structured_outputs: _Told | None = None
    thinking: _Thinking | None = None
    effort: _Effort | None = None


class _Entry(msgspec.Struct):
    id: str
    max_input_tokens: int | None = None
    max_tokens: int | None = None
    capabilities: _Capabilities | None = None
    lifecycle: str | None = None
    retires_at: str | None = None


class _Page(msgspec.Struct):
    data: list[_Entry]
    has_more: bool = False
    last_id: str | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """One model that may be asked."""

    name: str
    nature: Nature
    warnings: tuple[str, ...] = ()

    def deployment(self, backend: str, *, local: bool) -> Deployment:
        """The same as what is routed to."""
        nature = self.nature
        optional = {Capability.VISION: nature.vision, Capability.THINKING: nature.thinks}
        return Deployment(
            backend=backend,
            model=self.name,
            upstream=self.name,
            capabilities=frozenset({Capability.CHAT, Capability.TOOLS, Capability.JSON_SCHEMA})
            | {capability for capability, has in optional.items() if has},
            context=nature.context,
            local=local,
            traits=Traits(context_max=nature.context, warnings=self.warnings),
        )


async def listed(get: Callable[[str], Awaitable[bytes]]) -> list[Model]:
    """All models that *get* tells of; those that are retired are told, too, and are none. Raises RoundhouseError."""
    entries: dict[str, _Entry] = {}
    path = _FIRST
    for _ in range(_MOST_PAGES):
        page = _page(await get(path))
        entries |= {entry.id: entry for entry in page.data}
        if not page.has_more or not page.last_id:
            break
        path = f"{_FIRST}&after_id={quote(page.last_id, safe='')}"
    return [_model(entry) for entry in entries.values() if entry.lifecycle != "retired"]


def undeclared(name: str) -> Model:
    """A model of which only the name is known."""
    return Model(name, nature_by_name(name))


def _page(data: bytes) -> _Page:
    try:
        return read_mended(data, _Page)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        message = f"the list of models cannot be read ({error}): {excerpt(data)}"
        raise BackendError(message) from error


def _model(entry: _Entry) -> Model:
    usual = nature_by_name(entry.id)
    context, answer = tokens(entry.max_input_tokens), tokens(entry.max_tokens)
    nature = replace(usual, context=context or usual.context, answer=answer or usual.answer)
    if entry.capabilities is not None:
        nature = _told(nature, entry.capabilities)
    warnings = ()
    if entry.lifecycle == "deprecated":
        when = f" on {entry.retires_at[:10]}" if entry.retires_at else ""
        return Model(entry.id, nature, (f"it is deprecated, and retires{when or ' soon'}",))
    return Model(entry.id, nature, warnings)


def _told(usual: Nature, told: _Capabilities) -> Nature:
    """What the list says comes before what is documented."""
    nature = replace(
        usual,
        vision=told.image_input.supported if told.image_input else usual.vision,
        schemas=told.structured_outputs.supported if told.structured_outputs else usual.schemas,
    )
    if told.effort is not None:
        levels = ("low", "medium", "high", "xhigh", "max")
        said = {level: getattr(told.effort, level) for level in levels}
        nature = replace(nature, efforts=frozenset(level for level, each in said.items() if each and each.supported))
    types = told.thinking.types if told.thinking else None
    if types is None or types.adaptive is None or types.enabled is None:
        return nature
    adaptive, budget = types.adaptive.supported, types.enabled.supported
    silent = types.disabled.supported if types.disabled else usual.silent
    # Those that gave up budgets gave up temperatures with them.
    return replace(nature, adaptive=adaptive, budget=budget, silent=silent, samples=budget or not adaptive)
