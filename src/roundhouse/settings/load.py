"""Reading the settings once: defaults < added backends < file < environment < flags; every mistake at once.

Knows nothing about what the values are for.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from roundhouse.core.errors import ConfigError
from roundhouse.settings import tree
from roundhouse.settings.gather import PREFIX, Given, from_environment, from_file, from_flags
from roundhouse.settings.key import Key, Provenance
from roundhouse.settings.same import SameSettings, contradictions
from roundhouse.settings.secret import Secret
from roundhouse.settings.tree import KEYS, Settings

#: The file in the home that holds what `roundhouse backends add` was told.
ADDED = "backends.toml"
_BACKEND_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
#: The kind of the embedded runtime, and its name unless a section of that kind gives it another.
_EMBEDDED, _TAKEN = "llamacpp", "local"
#: What a backend speaks that says nothing.
_USUAL = "openai-compatible"
#: Kinds whose values are not repeated: people write passwords and keys there.
_UNSPOKEN = frozenset({"address", "name of a variable", "list of names of variables"})
_ALIAS_NAME = re.compile(r"[^\s/][^\s]{0,199}")


@dataclass(slots=True)
class _Reading:
    """What has been read so far."""

    values: dict[str, object] = field(default_factory=dict)
    provenance: dict[str, Provenance] = field(default_factory=dict)
    #: Sentences with their hints.
    problems: list[tuple[str, str]] = field(default_factory=list)


def load(
    *,
    home: Path | None = None,
    config: Path | None = None,
    flags: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """All settings, from *flags* (by dotted key), *environment* (ours, when not given), the file and the defaults.

    Raises ConfigError, which names every problem that was found; what was added while Roundhouse ran and cannot be
    used is left out instead.
    """
    env = os.environ if environment is None else environment  # noqa: TID251 - this is its one home
    home = home_of(home, env)
    file = _file(home, config, env)
    added, left_out = _usable(_added(home))
    given = [
        *added,
        *(from_file(file) if file is not None else ()),
        *from_environment(env, Path.cwd()),
        *from_flags(flags or {}, Path.cwd()),
    ]
    reading = _read(given)
    _forget_unfinished(reading, left_out)
    _check_names(reading)
    reading.problems += contradictions(reading.values)
    _refuse_problems(reading)
    return replace(_build(home, file, reading, env), left_out=MappingProxyType(left_out))


def load_backend(
    name: str, section: Mapping[str, object], home: Path, environment: Mapping[str, str] | None = None
) -> tree.BackendSettings:
    """One backend as *section* wants it. Raises ConfigError, which names every problem that was found."""
    env = os.environ if environment is None else environment  # noqa: TID251 - as above
    source = Provenance("file", str(home / ADDED))
    reading = _read(
        [Given(f"backends.{name}.{key}", raw, source, home) for key, raw in {"kind": _USUAL, **section}.items()]
    )
    _check_names(reading)
    _refuse_problems(reading)
    return _backend(name, home, reading, env)


def home_of(home: Path | None, env: Mapping[str, str]) -> Path:
    """Name the home folder: what was given, `ROUNDHOUSE_HOME`, or the usual place."""
    if home is None:
        user = Path(env["HOME"]) if env.get("HOME") else Path.home()
        named = env.get(f"{PREFIX}HOME")
        home = Path(named).expanduser() if named else user / ".local" / "share" / "roundhouse"
    return home.expanduser().absolute()


def _file(home: Path, config: Path | None, env: Mapping[str, str]) -> Path | None:
    """The file to read: the one that was named, or the home's when there is one."""
    if config is None and env.get(f"{PREFIX}CONFIG"):
        config = Path(env[f"{PREFIX}CONFIG"])
    if config is not None:
        return config.expanduser().absolute()
    usual = home / "roundhouse.toml"
    try:
        return usual if usual.exists() else None
    except OSError:  # whoever needs the home says that it cannot be entered
        return None


def _added(home: Path) -> Iterable[Given]:
    """What was added while Roundhouse ran."""
    path = home / ADDED
    try:
        return from_file(path) if path.exists() else ()
    except OSError:  # whoever needs the home says that it cannot be entered
        return ()


def _usable(added: Iterable[Given]) -> tuple[list[Given], dict[str, str]]:
    """What can be used of what was added, and what is wrong with the others, by name."""
    sections: dict[str, list[Given]] = {}
    for one in added:
        sections.setdefault(".".join(one.key.split(".")[:2]), []).append(one)
    usable, left_out = [], {}
    for section, given in sections.items():
        reading = _read(given)
        _check_names(reading)
        if reading.problems and section.startswith("backends."):
            left_out[section.removeprefix("backends.")] = "; ".join(sentence for sentence, _ in reading.problems)
        else:
            usable += given
    return usable, left_out


def _forget_unfinished(reading: _Reading, left_out: Iterable[str]) -> None:
    """Let go of what only changed something about those that are left out."""
    for name in left_out:
        prefix = f"backends.{name}."
        if not {f"{prefix}url", f"{prefix}kind"} & reading.values.keys():
            for key in [each for each in reading.values if each.startswith(prefix)]:
                del reading.values[key], reading.provenance[key]


def _refuse_problems(reading: _Reading) -> None:
    if reading.problems:
        raise ConfigError(
            "\n".join(sentence for sentence, _ in reading.problems),
            hint=reading.problems[0][1],
            details={"problems": [sentence for sentence, _ in reading.problems]},
        )


def row_of(key: str) -> Key | None:
    """The row of the table that says what *key* may be; ``None`` when there is no such key."""
    return KEYS.get(_pattern(key)) if "NAME" not in key else None


def _pattern(key: str) -> str:
    """The name of a key in the table."""
    section, _, rest = key.partition(".")
    if section == "aliases" and rest:
        return "aliases.NAME"
    if section == "backends":
        return f"backends.NAME.{rest.partition('.')[2]}"
    return key


def _place(key: str) -> tuple[int, str]:
    """Where a key stands when all are listed: as in the table, name by name."""
    section, _, rest = key.partition(".")
    in_table = list(KEYS).index(_pattern(key))
    if section == "backends":
        name = rest.partition(".")[0]
        return list(KEYS).index("backends.NAME.kind"), f"{name} {in_table:04}"
    return in_table, key


def _read(given: Iterable[Given]) -> _Reading:
    reading = _Reading()
    for one in given:
        row = row_of(one.key)
        if row is None:
            reading.problems.append(unknown(one.key, one.source))
            continue
        try:
            reading.values[one.key] = _value(row, one)
            reading.provenance[one.key] = one.source
        except ValueError as error:
            shown = "" if row.kind.name in _UNSPOKEN else f", not {str(one.raw)[:60]!r}"
            fix = f"correct it in {one.source.where}" if one.source.source != "flag" else "see `--help`"
            reading.problems.append((f"{one.key} must be {error}{shown} ({one.source})", fix))
    return reading


def _value(row: Key, given: Given) -> object:
    """The value that was given, checked. Raises ValueError."""
    raw = row.kind.from_text(str(given.raw)) if given.is_text else given.raw
    value = row.kind.check(raw)
    return given.base / Path(str(value)).expanduser() if row.path else value


def unknown(key: str, source: Provenance | None = None) -> tuple[str, str]:
    """The sentence and the hint about a key that does not exist."""
    if key.startswith("backends.") and key.endswith((".api_key", ".key", ".token")):
        return (
            f"{key}: secrets do not stand in settings",
            "put the key into a variable or a file, and name it with api_key_env or api_key_file",
        )
    where = f" ({source})" if source else ""
    sentence = f"there is no setting {key}{where}"
    close = _close(key)
    if source is not None and source.source == "environment" and close:
        close = PREFIX + close.upper().replace(".", "__")
    return sentence, f"did you mean {close}?" if close else "`roundhouse config show` lists all settings"


def _close(key: str) -> str | None:
    """The key that was probably meant."""
    head, _, rest = key.partition(".")
    backend, _, name = rest.partition(".")
    if head == "backends" and name:
        names = [row.rpartition(".")[2] for row in KEYS if row.startswith("backends.")]
        found = difflib.get_close_matches(name, names, n=1)
        return f"backends.{backend}.{found[0]}" if found else None
    rows = [row for row in KEYS if "NAME" not in row]
    same_end = [row for row in rows if row.rpartition(".")[2] == key.rpartition(".")[2]]
    return next(iter(same_end + difflib.get_close_matches(key.replace("_", "."), rows, n=1, cutoff=0.7)), None)


def _names(reading: _Reading) -> list[str]:
    """The backends that were configured."""
    return sorted({key.split(".")[1] for key in reading.values if key.startswith("backends.")})


def _check_names(reading: _Reading) -> None:
    for name in _names(reading):
        if not _BACKEND_NAME.fullmatch(name):
            problem = f"backends.{name}: a backend's name is made of a-z, 0-9, - and _"
            reading.problems.append((problem, "rename it"))
        kind = reading.values.get(f"backends.{name}.kind", _USUAL)
        if name == _TAKEN and kind != _EMBEDDED:
            problem = f"backends.{name}: the embedded llama.cpp has that name"
            reading.problems.append((problem, "choose another name"))
        is_on = reading.values.get(f"backends.{name}.enabled", True)
        if is_on and kind == _USUAL and not reading.values.get(f"backends.{name}.url"):
            reading.problems.append((f"backends.{name} needs a url", f'add url = "http://…" to [backends.{name}]'))
    for key in reading.values:
        alias = key.removeprefix("aliases.")
        if key.startswith("aliases.") and not _may_be_alias(alias):
            reading.problems.append((f"aliases.{alias}: that name cannot be an alias", "choose another name"))


def _may_be_alias(name: str) -> bool:
    return name != "auto" and name.isprintable() and _ALIAS_NAME.fullmatch(name) is not None


def _build(home: Path, file: Path | None, reading: _Reading, env: Mapping[str, str]) -> Settings:
    def section(name: str) -> dict[str, Any]:
        return _section(name, name, home, reading)

    downloads, routing = section("downloads"), section("routing")
    return Settings(
        home=home,
        server=tree.ServerSettings(**section("server")),
        storage=tree.StorageSettings(**section("storage")),
        cache=tree.CacheSettings(**section("cache")),
        library=tree.LibrarySettings(
            **section("library"), licenses=tree.LicenseSettings(**section("library.licenses"))
        ),
        downloads=tree.DownloadSettings(
            **downloads, token=_variable(downloads["token_env"], env), token_file=_token_file(env)
        ),
        runtime=tree.RuntimeSettings(**section("runtime")),
        discovery=tree.DiscoverySettings(**section("discovery")),
        backends=MappingProxyType({name: _backend(name, home, reading, env) for name in _names(reading)}),
        aliases=MappingProxyType(_aliases(reading)),
        routing=tree.RoutingSettings(**routing, weights=tree.WeightSettings(**section("routing.weights"))),
        same=SameSettings(**section("same")),
        log=tree.LogSettings(**section("log")),
        config_file=file,
        provenance=MappingProxyType({key: reading.provenance[key] for key in sorted(reading.provenance, key=_place)}),
    )


def _section(section: str, prefix: str, home: Path, reading: _Reading) -> dict[str, Any]:
    """The values of one section by name: what was given, defaults elsewhere (noted as such)."""
    values = {}
    for key, row in KEYS.items():
        owner, _, name = key.rpartition(".")
        if owner == section:
            values[name] = reading.values.setdefault(f"{prefix}.{name}", default_of(row, home))
            reading.provenance.setdefault(f"{prefix}.{name}", Provenance("default"))
    return values


def default_of(row: Key, home: Path) -> object:
    """The default of a row, as a value."""
    if row.default is None:
        return None
    raw = row.default.format(home=home) if isinstance(row.default, str) else row.default
    value = row.kind.check(raw)
    return Path(str(value)) if row.path else value


def _aliases(reading: _Reading) -> dict[str, tuple[str, ...]]:
    given = [key for key in reading.values if key.startswith("aliases.")]
    return {key.removeprefix("aliases."): cast("tuple[str, ...]", reading.values[key]) for key in sorted(given)}


def _backend(name: str, home: Path, reading: _Reading, env: Mapping[str, str]) -> tree.BackendSettings:
    values = _section("backends.NAME", f"backends.{name}", home, reading)
    key = _variable(values["api_key_env"], env) or _content(values["api_key_file"])
    further = tuple(secret for each in values["api_keys_env"] if (secret := _variable(each, env)))
    return tree.BackendSettings(**values, api_key=key, further_keys=further)


def _variable(name: str | None, env: Mapping[str, str]) -> Secret | None:
    """The secret in a variable. None when it is not set: `doctor` says so, and everything else goes on working."""
    return Secret(env[name].strip()) if name and env.get(name, "").strip() else None


def _token_file(env: Mapping[str, str]) -> Path:
    """Where huggingface_hub keeps the token of whoever logged in with it."""
    if env.get("HF_TOKEN_PATH"):
        return Path(env["HF_TOKEN_PATH"]).expanduser()
    user = Path(env["HOME"]) if env.get("HOME") else Path.home()
    cache = Path(env["XDG_CACHE_HOME"]) if env.get("XDG_CACHE_HOME") else user / ".cache"
    folder = Path(env["HF_HOME"]) if env.get("HF_HOME") else cache / "huggingface"
    return folder.expanduser() / "token"


def _content(file: Path | None) -> Secret | None:
    """The secret in a file; None when it cannot be read."""
    try:
        text = file.read_text(encoding="utf-8").strip() if file else ""
    except (OSError, UnicodeDecodeError):
        return None
    return Secret(text) if text else None
