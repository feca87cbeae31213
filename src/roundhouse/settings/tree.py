"""The settings tree and its one table of keys: kind, default, unit and help of each stand beside its type.

Knows nothing about files and environment, nor about what the rooms do with their values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, get_type_hints

from roundhouse.core.desks.schedule import Window
from roundhouse.settings import kinds
from roundhouse.settings.key import Key, Provenance
from roundhouse.settings.options import OPTIONS
from roundhouse.settings.same import SameSettings
from roundhouse.settings.secret import Secret
from roundhouse.settings.values import pairs, rates

_PORT = kinds.whole(0, 65_535)
_SECONDS = kinds.number(0, 86_400)
_WEIGHT = kinds.number(0, 100)
_PERMISSIVE = (
    "0bsd", "apache-2.0", "bsd", "bsd-*", "bsl-1.0", "cc-by-3.0", "cc-by-4.0", "cc0-1.0", "cdla-permissive-*",
    "ecl-2.0", "isc", "mit", "mit-0", "mpl-2.0", "ms-pl", "ncsa", "odc-by", "pddl", "postgresql", "unlicense",
    "upl-1.0", "wtfpl", "zlib",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where Roundhouse listens."""

    host: Annotated[str, Key("127.0.0.1", kinds.TEXT, "Address to listen on; anything but loopback needs keys")]
    port: Annotated[int, Key(8484, _PORT, "Port to listen on; 0 picks a free one")]
    public_url: Annotated[
        str | None, Key(None, kinds.URL, "Address that others reach it by, when a proxy stands in front")
    ]
    max_body: Annotated[int, Key("32MiB", kinds.SIZE, "Largest request body", "bytes")]
    drain_s: Annotated[float, Key(4.0, _SECONDS, "How long running requests may take to finish at shutdown", "seconds")]


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """Where the state is kept."""

    database_url: Annotated[
        str,
        Key("sqlite:///{home}/roundhouse.sqlite", kinds.DATABASE, "Database: `sqlite:///PATH` or `postgresql://…`"),
    ]
    valkey_url: Annotated[
        str | None,
        Key(None, kinds.VALKEY, "Valkey or Redis that caches are kept in and shared through: `redis://HOST:PORT/0`"),
    ]

    def __repr__(self) -> str:
        database = kinds.without_password(self.database_url)
        valkey = None if self.valkey_url is None else kinds.without_password(self.valkey_url)
        return f"StorageSettings(database_url={database!r}, valkey_url={valkey!r})"


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """Answers that are given twice; each key's owner has their own."""

    enabled: Annotated[
        bool, Key(default=True, kind=kinds.SWITCH, help="Keep embeddings, and answers that would be the same again")
    ]
    max_bytes: Annotated[
        int, Key("128MiB", kinds.SIZE, "Memory that kept answers may take; Valkey has a limit of its own", "bytes")
    ]
    ttl: Annotated[float, Key("1h", kinds.SPAN, "How long an answer is kept", "seconds")]
    embeddings_ttl: Annotated[float, Key("1d", kinds.SPAN, "How long an embedding is kept", "seconds")]


@dataclass(frozen=True, slots=True)
class LicenseSettings:
    """What models may be used under; patterns such as `bsd-*`, the strictest that fits wins, and the rest is asked."""

    accept: Annotated[
        tuple[str, ...], Key(list(_PERMISSIVE), kinds.NAMES, "Licences that nobody has to agree to before use")
    ]
    ask: Annotated[
        tuple[str, ...], Key([], kinds.NAMES, "Licences that somebody has to agree to, though `accept` names them")
    ]
    refuse: Annotated[tuple[str, ...], Key([], kinds.NAMES, "Licences whose models may neither come nor be loaded")]
    unknown: Annotated[
        str, Key("allow", kinds.one_of("allow", "ask", "refuse"), "What becomes of models that name no licence")
    ]


@dataclass(frozen=True, slots=True)
class LibrarySettings:
    """Where models are kept, and which may come in."""

    path: Annotated[Path, Key("{home}/library", kinds.TEXT, "Folder that holds the models", path=True)]
    min_free: Annotated[int, Key("2GiB", kinds.SIZE, "Disk space that a download must leave free", "bytes")]
    keep_revisions: Annotated[
        int,
        Key(1, kinds.whole(0, 20), "Older revisions of each model that `models update` keeps for `models rollback`"),
    ]
    allowed_owners: Annotated[
        tuple[str, ...],
        Key([], kinds.NAMES, "Owners (hub), namespaces (registry) and hosts that models may come from; empty is all"),
    ]
    blocked_owners: Annotated[
        tuple[str, ...],
        Key([], kinds.NAMES, "Owners, namespaces and hosts that no model may come from, also by pattern"),
    ]
    formats: Annotated[
        tuple[str, ...],
        Key(["gguf", "safetensors"], kinds.NAMES, "Formats of weights that may come in; `pickle` can run any code"),
    ]
    max_file_size: Annotated[int | None, Key(None, kinds.SIZE, "Largest file that may come in; 0 is any size", "bytes")]
    licenses: LicenseSettings
    signatures: Annotated[
        str,
        Key(
            "present",
            kinds.one_of("off", "present", "required"),
            "Whether a model's `model.sig` is checked: never, when there is one, or always",
        ),
    ]
    signature_keys: Annotated[
        tuple[str, ...], Key([], kinds.NAMES, "Files with the public keys (PEM) of those whose signatures count")
    ]
    quota: Annotated[
        int | None, Key(None, kinds.SIZE, "What the library may take; `models gc` removes models beyond it", "bytes")
    ]
    unused_for: Annotated[
        float | None, Key(None, kinds.SPAN, "`models gc` removes models that were not used for so long", "seconds")
    ]


@dataclass(frozen=True, slots=True)
class DownloadSettings:
    """How models are fetched."""

    offline: Annotated[
        bool,
        Key(
            default=False,
            kind=kinds.SWITCH,
            help="Let nothing leave this machine: no hub, no registry, no backend elsewhere",
        ),
    ]
    endpoint: Annotated[
        str, Key("https://huggingface.co", kinds.URL, "Hub that `hf:` references are looked up at", also="HF_ENDPOINT")
    ]
    registry: Annotated[
        str, Key("https://registry.ollama.ai", kinds.URL, "Registry that `ollama:` references are looked up at")
    ]
    bandwidth: Annotated[
        int | None, Key(None, kinds.SIZE, "What all downloads together may take; 0 is no limit", "bytes per second")
    ]
    bandwidth_per_source: Annotated[
        tuple[tuple[str, int | None], ...],
        Key([], rates.RATES_BY_SOURCE, 'What all downloads from one source may take, such as `["hf=5MB/s"]`'),
    ]
    schedule: Annotated[
        tuple[Window, ...],
        Key(
            [],
            rates.SCHEDULE,
            "Hours, in local time, in which all downloads together may take only so much: "
            '`["mon-fri 08:00-18:00 5MB/s"]`; the first that fits counts',
        ),
    ]
    connections_per_file: Annotated[
        int, Key(8, kinds.whole(1, 32), "Connections that bring one large file; small ones have one")
    ]
    max_connections: Annotated[
        int, Key(32, kinds.whole(1, 512), "Connections of all downloads together; beyond them every file has one")
    ]
    max_concurrent: Annotated[int, Key(3, kinds.whole(1, 64), "Downloads that run at a time; the others wait")]
    mirror: Annotated[
        str | None,
        Key(None, kinds.URL, "Copy of the hub that `hf:` references are fetched from instead; gets no token"),
    ]
    mirror_fallback: Annotated[
        bool, Key(default=False, kind=kinds.SWITCH, help="Ask the hub itself when the mirror fails")
    ]
    token_env: Annotated[str, Key("HF_TOKEN", kinds.VARIABLE, "Variable that holds the hub's token")]
    token_from: Annotated[
        str,
        Key(
            "auto",
            kinds.one_of("auto", "env", "file", "keyring", "none"),
            "Where the hub's token is; `auto` is the variable, then huggingface_hub's file, then the keyring",
        ),
    ]
    #: What that variable held.
    token: Secret | None = None
    #: Where huggingface_hub keeps its token, as ``HF_TOKEN_PATH``, ``HF_HOME`` and ``XDG_CACHE_HOME`` say.
    token_file: Path | None = None


@dataclass(frozen=True, slots=True)
class RuntimeSettings:
    """The embedded llama.cpp."""

    idle_s: Annotated[float, Key(300.0, _SECONDS, "A model that served nothing for so long is unloaded", "seconds")]
    #: ``None`` is ``auto``.
    memory: Annotated[
        int | None, Key("auto", kinds.SIZE_OR_AUTO, "Memory that loaded models may take together", "bytes")
    ]
    parallel: Annotated[int, Key(4, kinds.whole(1, 64), "Requests that one loaded model serves at a time")]
    threads: Annotated[int, Key(0, kinds.whole(0, 1024), "Threads of one loaded model; 0 is one per physical core")]
    context: Annotated[
        int, Key(0, kinds.whole(0, 10_000_000), "Context per request; 0 is the model's own, up to 8192", "tokens")
    ]
    cache_type: Annotated[
        str,
        Key("f16", kinds.one_of("f16", "q8_0", "q4_0"), "How contexts are kept; `q8_0` takes half as much as `f16`"),
    ]
    #: ``None`` is ``auto``.
    gpu_layers: Annotated[
        int | None,
        Key("auto", kinds.whole_or_auto(0, 10_000), "Layers of each model on graphics cards; `auto` is what fits"),
    ]
    pinned: Annotated[
        tuple[str, ...],
        Key([], kinds.NAMES, "Models that are in memory from the start, and stay there whoever wants the room"),
    ]
    lora: Annotated[
        tuple[pairs.Adapter, ...],
        Key([], pairs.ADAPTERS, "LoRA adapters: `MODEL=FILE` or `MODEL=FILE@SCALE`"),
    ]
    draft: Annotated[
        tuple[tuple[str, str], ...],
        Key([], pairs.DRAFTS, "Models that write ahead for larger ones: `MODEL=DRAFT`"),
    ]


@dataclass(frozen=True, slots=True)
class DiscoverySettings:
    """Runtimes that are looked for on this machine."""

    enabled: Annotated[bool, Key(default=True, kind=kinds.SWITCH, help="Look for runtimes on the usual ports")]
    ollama: Annotated[str, Key("http://127.0.0.1:11434", kinds.URL, "Where Ollama would be")]
    lmstudio: Annotated[str, Key("http://127.0.0.1:1234", kinds.URL, "Where LM Studio would be")]
    llamacpp: Annotated[str, Key("http://127.0.0.1:8080", kinds.URL, "Where llama-server would be")]
    mlx: Annotated[str, Key("http://127.0.0.1:8080", kinds.URL, "Where mlx_lm.server would be")]
    vllm: Annotated[str, Key("http://127.0.0.1:8000", kinds.URL, "Where vLLM would be")]
    every_s: Annotated[float, Key(30.0, kinds.number(1, 86_400), "Time from one look to the next", "seconds")]


@dataclass(frozen=True, slots=True)
class BackendSettings:
    """One backend that somebody configured."""

    kind: Annotated[
        str, Key("openai-compatible", kinds.TEXT, "What it speaks; a name of the entry points `roundhouse.backends`")
    ]
    url: Annotated[str | None, Key(None, kinds.URL, "Its address, with or without `/v1`")]
    api_key_env: Annotated[str | None, Key(None, kinds.VARIABLE, "Variable that holds its key")]
    api_keys_env: Annotated[
        tuple[str, ...],
        Key([], kinds.VARIABLES, "Variables that hold further keys, used when one has reached its limit"),
    ]
    api_key_file: Annotated[Path | None, Key(None, kinds.TEXT, "File that holds its key", path=True)]
    models: Annotated[tuple[str, ...], Key([], kinds.NAMES, "Models to use from it; empty is all that it lists")]
    price_in: Annotated[float | None, Key(None, kinds.number(0, 1e6), "Price of prompt tokens", "USD per million")]
    price_out: Annotated[float | None, Key(None, kinds.number(0, 1e6), "Price of answer tokens", "USD per million")]
    enabled: Annotated[bool, Key(default=True, kind=kinds.SWITCH, help="Whether it is used")]
    max_concurrent: Annotated[
        int | None,
        Key(
            None, kinds.whole(0, 100_000), "Requests that it gets at a time; 0 is as many as come; else as it is known"
        ),
    ]
    max_queue: Annotated[
        int, Key(512, kinds.whole(0, 10_000), "Requests that wait for it at most; the next ones are refused")
    ]
    one_at_a_time: Annotated[
        bool | None,
        Key(None, kinds.SWITCH, "It holds one model at a time: requests for the same go together; else as it is known"),
    ]
    min_residency_s: Annotated[
        float, Key(3.0, _SECONDS, "How long such a model stays at least, once it is there", "seconds")
    ]
    connect_s: Annotated[float, Key(5.0, _SECONDS, "How long connecting may take", "seconds")]
    first_token_s: Annotated[
        float, Key(0.0, _SECONDS, "How long a stream may take to begin; 0 is as long as the request", "seconds")
    ]
    idle_s: Annotated[float, Key(120.0, _SECONDS, "How long it may be silent within an answer", "seconds")]
    total_s: Annotated[
        float, Key(0.0, _SECONDS, "How long one answer may take; 0 is as long as the request", "seconds")
    ]
    health_s: Annotated[
        float | None,
        Key(None, _SECONDS, "How often it is asked how it is; 15 on this machine, else 60; 0 is never", "seconds"),
    ]
    options: Annotated[
        tuple[tuple[str, str | int | float | bool], ...],
        Key([], OPTIONS, 'What only its kind knows, such as `["num_ctx=16384", "keep_alive=30m"]` for `ollama`'),
    ]
    #: What the variable or the file held; ``None`` when neither is named, or what is named is not there.
    api_key: Secret | None = None
    #: What the variables for further keys held, as far as they are set.
    further_keys: tuple[Secret, ...] = ()


@dataclass(frozen=True, slots=True)
class WeightSettings:
    """How much each factor counts when deployments are compared."""

    residency: Annotated[float, Key(3.0, _WEIGHT, "Weights already in memory")]
    latency: Annotated[float, Key(2.0, _WEIGHT, "Quick answers so far")]
    price: Annotated[float, Key(2.0, _WEIGHT, "Low price")]
    errors: Annotated[float, Key(3.0, _WEIGHT, "Few errors so far")]
    load: Annotated[float, Key(1.0, _WEIGHT, "Few requests in flight")]


@dataclass(frozen=True, slots=True)
class RoutingSettings:
    """How a deployment is chosen."""

    max_attempts: Annotated[int, Key(3, kinds.whole(1, 20), "Deployments tried for one request, the first included")]
    weights: WeightSettings


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What is logged."""

    level: Annotated[
        str, Key("info", kinds.one_of("debug", "info", "warning", "error"), "Least severe line that is logged")
    ]
    format: Annotated[
        str, Key("auto", kinds.one_of("auto", "console", "json"), "`auto` is console on a terminal, JSON otherwise")
    ]


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, frozen."""

    home: Path
    server: ServerSettings
    storage: StorageSettings
    cache: CacheSettings
    library: LibrarySettings
    downloads: DownloadSettings
    runtime: RuntimeSettings
    discovery: DiscoverySettings
    #: By name, as in ``[backends.NAME]``.
    backends: Mapping[str, BackendSettings]
    #: What each alias stands for, best first.
    aliases: Mapping[str, tuple[str, ...]]
    routing: RoutingSettings
    same: SameSettings
    log: LogSettings
    #: The file that was read; ``None`` when there was none.
    config_file: Path | None = field(default=None, compare=False)
    #: By dotted key; a backend's keys as ``backends.NAME.key``.
    provenance: Mapping[str, Provenance] = field(default_factory=dict, compare=False, repr=False)
    #: Backends that were added and cannot be used, and why.
    left_out: Mapping[str, str] = field(default_factory=dict, compare=False)


#: One section of the tree each, by its dotted name.
SECTIONS: Mapping[str, type] = {
    "server": ServerSettings,
    "storage": StorageSettings,
    "cache": CacheSettings,
    "library": LibrarySettings,
    "library.licenses": LicenseSettings,
    "downloads": DownloadSettings,
    "runtime": RuntimeSettings,
    "discovery": DiscoverySettings,
    "routing": RoutingSettings,
    "routing.weights": WeightSettings,
    "same": SameSettings,
    "log": LogSettings,
    "backends.NAME": BackendSettings,
}
ALIAS = Key(None, kinds.NAMES, "Models that the name stands for, best first")


def _rows() -> Iterator[tuple[str, Key]]:
    """Read the table off the types."""
    for section, owner in SECTIONS.items():
        for name, hint in get_type_hints(owner, include_extras=True).items():
            for mark in getattr(hint, "__metadata__", ()):
                yield f"{section}.{name}", mark


#: Every key; ``backends.NAME.*`` and ``aliases.NAME`` stand for as many as there are names.
KEYS: Mapping[str, Key] = {**dict(_rows()), "aliases.NAME": ALIAS}
