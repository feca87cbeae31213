"""Backends, sources and jobs as the settings want them: the names of concrete classes are here and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib.metadata import entry_points
from urllib.parse import urlsplit

from roundhouse.app.build_events import telling
from roundhouse.app.offline import OfflineBackend, OfflineCatalog, OfflineSource, stays_here, those_here
from roundhouse.app.rooms import Origin
from roundhouse.app.shelf import Shelf
from roundhouse.backends.discovery import discover
from roundhouse.backends.llamacpp import LlamaCpp, auto_memory
from roundhouse.backends.memory import need_of
from roundhouse.backends.openai_compatible import OpenAICompatible
from roundhouse.backends.resident import RuntimeLimits
from roundhouse.core.browse import Memory
from roundhouse.core.clock import Clock
from roundhouse.core.errors import ConfigError
from roundhouse.core.events import Events
from roundhouse.core.inference import Price
from roundhouse.core.ports import Backend, Catalog, Jobs, Source, Transfers
from roundhouse.core.views import Found
from roundhouse.library.library import Library
from roundhouse.routing.policy import Policy, Weights
from roundhouse.settings import BackendSettings, Settings
from roundhouse.sources.bundled import NOISE_MODEL, BundledSource
from roundhouse.sources.folder import FolderSource
from roundhouse.sources.hub import HubSource
from roundhouse.sources.registry import RegistrySource
from roundhouse.sources.web import WebSource
from roundhouse.storage.database import Database
from roundhouse.storage.engines import jobs_url
from roundhouse.storage.jobs import DbosJobs
from roundhouse.storage.transfers import SqlTransfers
from roundhouse.upkeep.progress import Progress
from roundhouse.upkeep.pull import REMOTE, Pulls, PullSettings
from roundhouse.upkeep.telling import TellingTransfers

#: The embedded runtime's name, in ids and in `backends ls`, unless the configuration gives it another.
EMBEDDED, EMBEDDED_KIND = "local", "llamacpp"
_MILLION = 1_000_000
_FREE = Price(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Foundations:
    """What pulls stand on."""

    library: Library
    database: Database
    events: Events
    clock: Clock


@dataclass(frozen=True, slots=True)
class Built:
    """All backends, and where each came from."""

    by_name: Mapping[str, Backend]
    origins: Mapping[str, Origin]
    found: tuple[Found, ...]
    #: The name of the embedded runtime; ``None`` when it is switched off.
    embedded: str | None


async def build_backends(stack: AsyncExitStack, settings: Settings, shelf: Shelf, events: Events) -> Built:
    """Make the embedded runtime, what is configured, and what runs on this machine. Raises ConfigError."""
    embedded = _embedded_name(settings)
    by_name: dict[str, Backend] = {}
    origins: dict[str, Origin] = {}
    if embedded is not None:
        by_name[embedded] = _embedded(embedded, settings, shelf, events)
        origins[embedded] = Origin(EMBEDDED_KIND, None, configured=False)
    for name, wish in settings.backends.items():
        if wish.enabled and wish.kind != EMBEDDED_KIND:
            by_name[name] = _configured(name, wish, offline=settings.downloads.offline)
            origins[name] = Origin(wish.kind, wish.url, configured=True)
    found = await _found(settings) if settings.discovery.enabled else ()
    for each in found:
        if each.name not in by_name and not _is_known(each.url, origins):
            by_name[each.name] = OpenAICompatible(each.name, each.url)
            origins[each.name] = Origin(each.kind, each.url, configured=False)
    for backend in by_name.values():
        stack.push_async_callback(backend.close)
    return Built(by_name, origins, found, embedded)


def _embedded_name(settings: Settings) -> str | None:
    """What the embedded runtime is called here; ``None`` when it is switched off. Raises ConfigError."""
    sections = {name: wish for name, wish in settings.backends.items() if wish.kind == EMBEDDED_KIND}
    if len(sections) > 1:
        message = f"there is one embedded llama.cpp, and {' and '.join(sections)} all claim to be it"
        raise ConfigError(message)
    for name, wish in sections.items():
        return name if wish.enabled else None
    return EMBEDDED


def _embedded(name: str, settings: Settings, shelf: Shelf, events: Events) -> LlamaCpp:
    limits = _limits(settings)
    # The child sees a scrubbed copy: paths and devices, nothing that could be a secret.
    return LlamaCpp(name, shelf.models, limits=limits, events=events, environ=os.environ)  # noqa: TID251


def _limits(settings: Settings) -> RuntimeLimits:
    """What the embedded runtime may take."""
    runtime = settings.runtime
    return RuntimeLimits(
        memory=auto_memory() if runtime.memory is None else runtime.memory,
        idle_s=runtime.idle_s,
        parallel=runtime.parallel,
        context=runtime.context,
        threads=runtime.threads,
    )


def memory_of(settings: Settings) -> Memory:
    """The embedded runtime's own rule for what it would load."""
    limits = _limits(settings)

    def need(size: int, trained: int | None) -> int:
        return need_of(size, None if trained is None else limits.context_of(trained) * limits.parallel)

    return Memory(limits.memory, need)


def hub_of(settings: Settings) -> HubSource:
    """The hub of the settings. Raises ConfigError."""
    downloads = settings.downloads
    token = downloads.token.reveal() if downloads.token else None
    return HubSource(downloads.endpoint, token=token, memory=memory_of(settings))


def catalog_of(settings: Settings) -> Catalog:
    """Where to look for models that are not here."""
    return OfflineCatalog() if settings.downloads.offline else hub_of(settings)


async def _found(settings: Settings) -> tuple[Found, ...]:
    """The runtimes that answer on this machine's usual ports."""
    ports = settings.discovery
    urls = {name: getattr(ports, name) for name in ("ollama", "lmstudio", "llamacpp", "mlx", "vllm")}
    return tuple(await discover(those_here(urls) if settings.downloads.offline else urls))


def _is_known(url: str, origins: Mapping[str, Origin]) -> bool:
    """Whether somebody configured the same address already."""
    place = urlsplit(url).netloc
    return any(origin.url is not None and urlsplit(origin.url).netloc == place for origin in origins.values())


def _configured(name: str, wish: BackendSettings, *, offline: bool) -> Backend:
    """One backend of the configuration, made by whoever registered its kind. Raises ConfigError."""
    doors = {door.name: door for door in entry_points(group="roundhouse.backends")}
    if wish.kind not in doors:
        message = f"backends.{name}.kind is {wish.kind!r}, which nobody provides"
        raise ConfigError(message, hint=f"there is {', '.join(sorted(doors))}")
    if wish.url is None:
        message = f"backends.{name} needs a url"
        raise ConfigError(message)
    if offline and not stays_here(wish.url):
        return OfflineBackend(name, wish.url)
    key = wish.api_key.reveal() if wish.api_key else None
    backend: Backend = doors[wish.kind].load()(name, wish.url, api_key=key, models=wish.models)
    return backend


def prices_of(settings: Settings, built: Built) -> Mapping[str, Price]:
    """What each backend's tokens cost: as configured, and nothing for what runs here."""
    prices = {name: _FREE for name, origin in built.origins.items() if not origin.configured}
    for name, wish in settings.backends.items():
        if wish.price_in is not None or wish.price_out is not None:
            prices[name] = Price((wish.price_in or 0.0) / _MILLION, (wish.price_out or 0.0) / _MILLION)
    return prices


def policy_of(settings: Settings) -> Policy:
    """How to choose."""
    weights = settings.routing.weights
    return Policy(
        Weights(
            errors=weights.errors,
            residency=weights.residency,
            latency=weights.latency,
            price=weights.price,
            load=weights.load,
        ),
        settings.routing.max_attempts,
        auto_last=frozenset({NOISE_MODEL}),
        elsewhere=_elsewhere(settings),
    )


def _elsewhere(settings: Settings) -> frozenset[str]:
    """The names of what backends elsewhere would serve, when nothing may leave this machine."""
    if not settings.downloads.offline:
        return frozenset()
    away = {name: wish for name, wish in settings.backends.items() if wish.url and not stays_here(wish.url)}
    return frozenset([*(f"{name}/" for name in away), *(model for wish in away.values() for model in wish.models)])


async def build_pulls(
    stack: AsyncExitStack, settings: Settings, foundations: Foundations, node: str
) -> tuple[Pulls, Transfers, Jobs]:
    """Make the pulls and the durable jobs that carry them. Raises NetworkError when the database of jobs is away."""
    downloads, library, database = settings.downloads, foundations.library, foundations.database
    events = foundations.events
    sources: list[Source] = [
        hub_of(settings),
        RegistrySource(downloads.registry),
        WebSource(),
        FolderSource(),
        BundledSource(),
    ]
    if downloads.offline:
        sources = [OfflineSource(each.scheme) if each.scheme in REMOTE else each for each in sources]

    def moving() -> Sequence[Progress]:
        return pulls.moving()

    transfers = TellingTransfers(SqlTransfers(database), telling(events, moving))

    async def perform(job_id: str, argument: str) -> None:
        await pulls.run(job_id, argument)

    jobs = DbosJobs(jobs_url(settings.storage.database_url), perform, executor_id=node)
    pulls = Pulls(
        {source.scheme: source for source in sources},
        library,
        transfers,
        foundations.clock,
        jobs.start,
        PullSettings(
            offline=downloads.offline,
            min_free=settings.library.min_free,
            bandwidth=downloads.bandwidth or None,
            max_concurrent=downloads.max_concurrent,
        ),
    )
    await jobs.launch()
    stack.push_async_callback(jobs.close)
    return pulls, transfers, jobs
