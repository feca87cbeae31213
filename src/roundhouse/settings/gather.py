"""What was said about settings, and by whom: the file, the environment, the flags, each as (key, value, source).

Knows nothing about whether a key exists or a value fits.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from roundhouse.core.errors import ConfigError
from roundhouse.settings.key import Provenance
from roundhouse.settings.tree import KEYS, SECTIONS

PREFIX = "ROUNDHOUSE_"
#: Variables that are no settings: they say where the settings are.
PLACES = {"ROUNDHOUSE_HOME", "ROUNDHOUSE_CONFIG"}
_ROOTS = {section.partition(".")[0] for section in SECTIONS} | {"aliases"}


@dataclass(frozen=True, slots=True)
class Given:
    """One value that somebody gave."""

    key: str
    raw: object
    source: Provenance
    #: Relative paths count from here.
    base: Path
    #: Said as text (a variable, a flag), to be read as the kind demands.
    is_text: bool = False


def from_file(path: Path) -> Iterator[Given]:
    """What the TOML file says. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}"
        raise ConfigError(message, hint="name another file with --config") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"{path} is not valid TOML: {error}"
        raise ConfigError(
            message, hint="correct that line; `roundhouse config show --example` prints a file to start from"
        ) from error
    source = Provenance("file", str(path))
    for key, raw in _flat(content, ""):
        yield Given(key, raw, source, path.parent.absolute())


def _flat(table: Mapping[str, object], prefix: str) -> Iterator[tuple[str, object]]:
    for name, raw in table.items():
        key = f"{prefix}{name}"
        if isinstance(raw, dict) and (raw or key.startswith("backends.")) and not prefix.startswith("aliases."):
            yield from _flat(raw, f"{key}.")
            if not raw:
                yield key, raw
        elif raw != {} or key not in _ROOTS | SECTIONS.keys():
            yield key, raw


def from_environment(environment: Mapping[str, str], base: Path) -> Iterator[Given]:
    """What the variables say: foreign ones that are honoured first, so that ours win."""
    for key, row in KEYS.items():
        if row.also and environment.get(row.also):
            yield Given(key, environment[row.also], Provenance("environment", row.also), base, is_text=True)
    for name, text in sorted(environment.items()):
        if name.startswith(PREFIX) and name not in PLACES and _is_ours(name):
            key = name.removeprefix(PREFIX).lower().replace("__", ".")
            yield Given(key, text, Provenance("environment", name), base, is_text=True)


def _is_ours(name: str) -> bool:
    """Whether a variable means to be a setting: ``ROUNDHOUSE_SERVER_PORT`` does, and is told its right spelling."""
    rest = name.removeprefix(PREFIX).lower()
    return "__" in rest or rest.partition("_")[0] in _ROOTS


def from_flags(flags: Mapping[str, object], base: Path) -> Iterator[Given]:
    """What the command line says."""
    for key, raw in flags.items():
        flag = "--" + key.rpartition(".")[2].replace("_", "-")
        yield Given(key, raw, Provenance("flag", flag), base, is_text=isinstance(raw, str))
