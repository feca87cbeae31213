"""Backends, sources and jobs as the settings want them: the names of concrete classes are here and nowhere else."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import entry_points
from urllib.parse import urlsplit

import structlog

from roundhouse.app.building.events import telling
from roundhouse.app.building.licenses import build_gate
from roundhouse.app.credentials import node_of
from roundhouse.app.hub_token import hub_token
from roundhouse.app.neighbours import Neighbours, Origin
from roundhouse.app.offline import OfflineBackend, OfflineSource, stays_here, those_here
from roundhouse.app.shelf import Shelf
from roundhouse.backends.discovery import discover
from roundhouse.backends.kinds.mlx.managed import ManagedMLX
from roundhouse.backends.kinds.presets import address_of
from roundhouse.backends.llamacpp.loadable import RuntimeLimits
from roundhouse.backends.llamacpp.runtime import LlamaCpp, auto_memory
from roundhouse.backends.openai.compatible import OpenAICompatible
from roundhouse.core.clock import Clock
from roundhouse.core.desks.browse import Memory, no_need
from roundhouse.core.desks.placing import MemoryNeed
from roundhouse.core.errors import ConfigError, RoundhouseError
from roundhouse.core.events import Events
from roundhouse.core.inference import Price
from roundhouse.core.ports import Backend, BackendMaker, Jobs, Source, Transfers
from roundhouse.core.runtimes import Wish, Workshop
from roundhouse.core.runtimes import place_of as where
from roundhouse.core.views import Found
from roundhouse.library.library import Library
from roundhouse.routing.identity import Rules
from roundhouse.routing.policy import Policy, Weights
from roundhouse.serving.admission.gates import Gates
from roundhouse.serving.admission.rules import GateRules
from roundhouse.settings import BackendSettings, Settings
from roundhouse.settings.added import added_alone
from roundhouse.sources.bundled import NOISE_MODEL, BundledSource
from roundhouse.sources.folder import FolderSource
from roundhouse.sources.hub import HubSource
from roundhouse.sources.mirrored import Hub, MirroredHub
from roundhouse.sources.registry import RegistrySource
from roundhouse.sources.web import WebSource
from roundhouse.storage.database import Database
from roundhouse.storage.engines import jobs_url
from roundhouse.storage.jobs import DbosJobs
from roundhouse.storage.transfers import SqlTransfers
from roundhouse.transfers import FetchOptions
from roundhouse.upkeep.admission import LicenseBook
from roundhouse.upkeep.progress import Progress
from roundhouse.upkeep.pull import REMOTE, Pulls, PullSettings
from roundhouse.upkeep.telling import TellingTransfers

#: The embedded runtime's name, in ids and in `backends ls`, unless the configuration gives it another.
EMBEDDED, EMBEDDED_KIND = "local", "llamacpp"
_DOORS = "roundhouse.backends"
#: Kinds that start a program of their own when they have no address.
STARTERS = frozenset({"mlx"})
_MILLION = 1_000_000
_FREE = Price(0.0, 0.0)

_log = structlog.get_logger("roundhouse.app")


@dataclass(frozen=True, slots=True)
class Built:
    """All backends, and where each came from."""

    by_name: dict[str, Backend]
    origins: dict[str, Origin]
    neighbours: Neighbours
    #: The settings of those that are configured or were added.
    wishes: dict[str, BackendSettings]
    #: Makes one that is added later. Raises ConfigError.
    make: Callable[[str, BackendSettings], tuple[Backend, Origin]]
    #: Those that were added and cannot be used, and why.
    left_out: dict[str, str]
    #: The name of the embedded runtime; ``None`` when it is switched off.
    embedded: str | None
    #: The names of all that load the library's models themselves.
    loading: Callable[[], Collection[str]]
    #: Models of the library that one of those has in memory or serves.
    in_use: Callable[[], Collection[str]]
    #: What the embedded runtime takes for a model of that name; ``None`` when it does not serve it.
    need_of: Callable[[str], MemoryNeed | None]


async def build_backends(
    stack: AsyncExitStack, settings: Settings, shelf: Shelf, events: Events, clock: Clock
) -> Built:
    """Make the embedded runtime, what is configured, and what runs on this machine. Raises ConfigError."""
    embedded = _embedded_name(settings)
    # Children see a scrubbed copy of the environment: paths and devices, nothing that could be a secret.
    folder, offline = settings.home / "backends", settings.downloads.offline
    node = await asyncio.to_thread(node_of, settings.home)
    keeps = settings.cache.enabled
    workshop = Workshop(events, clock, os.environ, folder, offline, shelf.folders, node, keeps)  # noqa: TID251
    by_name: dict[str, Backend] = {}
    origins: dict[str, Origin] = {}
    need_of: Callable[[str], MemoryNeed | None] = no_need
    if embedded is not None:
        by_name[embedded] = runtime = _embedded(embedded, settings, shelf, workshop)
        need_of = runtime.need_of
        origins[embedded] = Origin(EMBEDDED_KIND, None, configured=False)

    def make(name: str, wish: BackendSettings) -> tuple[Backend, Origin]:
        url = _address(wish)
        is_away = settings.downloads.offline and url is not None and not stays_here(url)
        backend = OfflineBackend(name, url or "") if is_away else _configured(name, wish, workshop)
        return backend, Origin(wish.kind, url, configured=True)

    made, left_out = _made(settings, make)
    by_name |= {name: backend for name, (backend, _) in made.items()}
    origins |= {name: origin for name, (_, origin) in made.items()}
    neighbours = Neighbours(
        lambda: _found(settings), lambda each: _discovered(each, workshop), by_name, origins, _switched_off(settings)
    )
    await neighbours.look_around()

    async def close() -> None:
        for backend in by_name.values():
            await backend.close()

    stack.push_async_callback(close)

    wishes = {name: wish for name, wish in settings.backends.items() if name not in left_out}
    loading, in_use = partial(_loading, by_name), partial(_in_use, by_name)
    return Built(by_name, origins, neighbours, wishes, make, left_out, embedded, loading, in_use, need_of)


def _made(
    settings: Settings, make: Callable[[str, BackendSettings], tuple[Backend, Origin]]
) -> tuple[dict[str, tuple[Backend, Origin]], dict[str, str]]:
    """What is configured, and what was added and is left out, with the reason. Raises ConfigError for the rest."""
    added, left_out = added_alone(settings), dict(settings.left_out)
    made: dict[str, tuple[Backend, Origin]] = {}
    for name, wish in settings.backends.items():
        if not wish.enabled or wish.kind == EMBEDDED_KIND:
            continue
        try:
            backend, origin = make(name, wish)
        except ConfigError as error:
            if name not in added:
                raise
            left_out[name] = error.message
        else:
            made[name] = backend, replace(origin, added=name in added)
    for name, reason in left_out.items():
        _log.warning("a backend that was added is left out", backend=name, reason=reason)
    return made, left_out


def _loading(by_name: Mapping[str, Backend]) -> Mapping[str, LlamaCpp | ManagedMLX]:
    """Those that load the library's models themselves."""
    return {name: each for name, each in by_name.items() if isinstance(each, LlamaCpp | ManagedMLX)}


def _in_use(by_name: Mapping[str, Backend]) -> Collection[str]:
    return [model for runtime in _loading(by_name).values() for model in runtime.in_use()]


def _embedded_name(settings: Settings) -> str | None:
    """What the embedded runtime is called here; ``None`` when it is switched off. Raises ConfigError."""
    sections = {name: wish for name, wish in settings.backends.items() if wish.kind == EMBEDDED_KIND}
    if len(sections) > 1:
        message = f"there is one embedded llama.cpp, and {' and '.join(sections)} all claim to be it"
        raise ConfigError(message)
    for name, wish in sections.items():
        return name if wish.enabled else None
    return EMBEDDED


def _embedded(name: str, settings: Settings, shelf: Shelf, workshop: Workshop) -> LlamaCpp:
    return LlamaCpp(name, shelf.models, limits=_limits(settings), events=workshop.events, environ=workshop.environ)


def _limits(settings: Settings) -> RuntimeLimits:
    """What the embedded runtime may take."""
    runtime = settings.runtime
    return RuntimeLimits(
        memory=auto_memory() if runtime.memory is None else runtime.memory,
        idle_s=runtime.idle_s,
        parallel=runtime.parallel,
        context=runtime.context,
        threads=runtime.threads,
        pinned=runtime.pinned,
        cache_type=runtime.cache_type,
        gpu_layers=runtime.gpu_layers,
    )


def memory_of(settings: Settings, of_model: Callable[[str], MemoryNeed | None] = no_need) -> Memory:
    """The embedded runtime's own rule for what it would load."""
    limits = _limits(settings)
    return Memory(limits.memory, lambda size, trained: limits.need_of(size, trained).total, of_model)


def hub_of(settings: Settings) -> Hub:
    """The hub of the settings, or its mirror; only the hub gets the token. Raises ConfigError. Blocks."""
    downloads, memory = settings.downloads, memory_of(settings)
    if downloads.mirror is None:
        return HubSource(downloads.endpoint, token=hub_token(downloads), memory=memory)
    mirror = HubSource(downloads.mirror, memory=memory)
    behind = HubSource(downloads.endpoint, token=hub_token(downloads), memory=memory)
    return MirroredHub(mirror, downloads.mirror, behind if downloads.mirror_fallback else None)


async def _found(settings: Settings) -> tuple[Found, ...]:
    """The runtimes that answer on this machine's usual ports, if anybody may be asked."""
    if not settings.discovery.enabled:
        return ()
    ports = settings.discovery
    urls = {name: getattr(ports, name) for name in ("ollama", "lmstudio", "llamacpp", "mlx", "vllm")}
    return tuple(await discover(those_here(urls) if settings.downloads.offline else urls))


def _switched_off(settings: Settings) -> Callable[[Found], bool]:
    """Whether somebody wrote ``enabled = false`` for a runtime that was found, by its name or its address."""
    off = {name: wish.url for name, wish in settings.backends.items() if not wish.enabled}
    places = {where(url) for url in off.values() if url is not None}
    return lambda found: found.name in off or where(found.url) in places


def _discovered(found: Found, workshop: Workshop) -> Backend:
    """A runtime of this machine as its own kind; where there is none, as OpenAI's dialect, which all speak."""
    doors = entry_points(group=_DOORS, name=found.kind)
    make: BackendMaker = next((door.load() for door in doors), OpenAICompatible.made)
    return make(Wish(found.name, found.kind, found.url), workshop)


def _address(wish: BackendSettings) -> str | None:
    """Where a configured backend is: also a provider that needs no address in the settings is elsewhere."""
    return wish.url or address_of(wish.kind)


def kinds() -> frozenset[str]:
    """The kinds of backends that somebody provides."""
    return frozenset(entry_points(group=_DOORS).names)


def _configured(name: str, wish: BackendSettings, workshop: Workshop) -> Backend:
    """One backend of the configuration, made by whoever registered its kind. Raises ConfigError."""
    doors = {door.name: door for door in entry_points(group=_DOORS)}
    if wish.kind not in doors:
        message = f"backends.{name}.kind is {wish.kind!r}, which nobody provides"
        raise ConfigError(message, hint=f"there is {', '.join(sorted(doors))}")
    keys = tuple(key.reveal() for key in (wish.api_key, *wish.further_keys) if key)
    options = dict(wish.options)
    wanted = Wish(name, wish.kind, wish.url, keys, wish.models, wish.connect_s, wish.idle_s, options)
    try:
        make: BackendMaker = doors[wish.kind].load()
        return make(wanted, workshop)
    except RoundhouseError:
        raise
    except Exception as error:
        message = f"backends.{name} cannot be made: {type(error).__name__}"
        raise ConfigError(message, hint="correct its url and its options") from error


def gates_of(settings: Settings, built: Built, clock: Clock) -> Gates:
    """How many calls each backend gets at a time; several names for one runtime share them."""
    wishes = settings.backends
    rules = {name: gate_rules(wish) for name, wish in wishes.items()}
    found = {name: place_of(origin, wishes.get(name)) for name, origin in built.origins.items()}
    return Gates(clock.monotonic, rules, {name: place for name, place in found.items() if place is not None})


def place_of(origin: Origin, wish: BackendSettings | None = None) -> str | None:
    """Where a runtime is, the same for all its names; ``None`` when nobody can say that it is one.

    On this machine a port is one runtime. Elsewhere an address may lead to several behind it, so its path counts; and
    what each key may do there is its own, so only those without keys are the same.
    """
    if origin.url is None:
        return None
    place = where(origin.url)
    if stays_here(origin.url):
        return place
    if wish is None or wish.url is None or wish.api_key_env or wish.api_keys_env or wish.api_key_file:
        return None
    return place + urlsplit(origin.url).path.rstrip("/").removesuffix("/v1")


def gate_rules(wish: BackendSettings) -> GateRules:
    """How a backend with these settings is entered."""
    return GateRules(
        max_concurrent=wish.max_concurrent,
        most_waiting=wish.max_queue,
        one_at_a_time=wish.one_at_a_time,
        min_residency_s=wish.min_residency_s,
        first_token_s=wish.first_token_s or None,
        total_s=wish.total_s or None,
    )


def _elsewhere(settings: Settings) -> frozenset[str]:
    """The names of what backends elsewhere would serve, when nothing may leave this machine."""
    if not settings.downloads.offline:
        return frozenset()
    urls = {name: _address(wish) for name, wish in settings.backends.items()}
    away = {name: settings.backends[name] for name, url in urls.items() if url and not stays_here(url)}
    return frozenset([*(f"{name}/" for name in away), *(model for wish in away.values() for model in wish.models)])


def prices_of(wishes: Mapping[str, BackendSettings], origins: Mapping[str, Origin]) -> Callable[[str], Price | None]:
    """What the tokens of a backend cost: as configured, and nothing for what runs here; ``None`` is unknown."""

    def price(backend: str) -> Price | None:
        wish, origin = wishes.get(backend), origins.get(backend)
        if wish is not None and (wish.price_in is not None or wish.price_out is not None):
            return Price((wish.price_in or 0.0) / _MILLION, (wish.price_out or 0.0) / _MILLION)
        return _FREE if origin is not None and not origin.configured else None

    return price


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
        same=Rules(settings.same.together, settings.same.apart),
    )


@dataclass(frozen=True, slots=True)
class Ground:
    """What pulls stand on."""

    library: Library
    database: Database
    events: Events
    clock: Clock
    book: LicenseBook
    hub: Hub


async def build_pulls(stack: AsyncExitStack, settings: Settings, ground: Ground) -> tuple[Pulls, Transfers, Jobs]:
    """Make the pulls and the durable jobs that carry them. Raises NetworkError when the database of jobs is away."""
    downloads = settings.downloads
    sources: list[Source] = [
        ground.hub,
        RegistrySource(downloads.registry),
        WebSource(),
        FolderSource(),
        BundledSource(),
    ]
    if downloads.offline:
        sources = [OfflineSource(each.scheme) if each.scheme in REMOTE else each for each in sources]

    def moving() -> Sequence[Progress]:
        return pulls.moving()

    transfers = TellingTransfers(SqlTransfers(ground.database), telling(ground.events, moving))

    async def perform(job_id: str, argument: str) -> None:
        await pulls.run(job_id, argument)

    node = await asyncio.to_thread(node_of, settings.home)
    jobs = DbosJobs(jobs_url(settings.storage.database_url), perform, executor_id=node)
    pulls = Pulls(
        {source.scheme: source for source in sources},
        ground.library,
        transfers,
        ground.clock,
        jobs.start,
        PullSettings(
            offline=downloads.offline,
            min_free=settings.library.min_free,
            bandwidth=downloads.bandwidth or None,
            bandwidth_per_source=downloads.bandwidth_per_source,
            schedule=downloads.schedule,
            max_concurrent=downloads.max_concurrent,
            fetch=FetchOptions(connections=downloads.connections_per_file, all_connections=downloads.max_connections),
        ),
        build_gate(settings, ground.book, ground.clock),
    )
    await jobs.launch()
    stack.push_async_callback(jobs.close)
    return pulls, transfers, jobs
