"""Backends that were added while Roundhouse ran: a file of its own in the home, below whatever a person wrote.

Knows nothing about who may add one. The file has the shape of ``roundhouse.toml`` and holds no secret.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

from roundhouse.core.errors import ConfigError, DiskError
from roundhouse.disk.durable import sync_folder
from roundhouse.settings.load import ADDED
from roundhouse.settings.render import toml
from roundhouse.settings.tree import Settings

#: One backend's settings, as TOML says them.
Section = Mapping[str, object]
_HEAD = "# Written by `roundhouse backends add` and `rm`. What roundhouse.toml says comes before this.\n"


def added_file(home: Path) -> Path:
    """Where they stand."""
    return home / ADDED


def added_alone(settings: Settings) -> frozenset[str]:
    """Those of whom only this file tells, so that they can be removed."""
    own, places = str(added_file(settings.home)), dict[str, set[str]]()
    for key, origin in settings.provenance.items():
        if key.startswith("backends."):
            places.setdefault(key.split(".")[1], set()).add(origin.where)
    return frozenset(name for name, each in places.items() if own in each and each <= {"", own})


def read_added(home: Path) -> dict[str, Section]:
    """What was added, by name. Blocks. Raises ConfigError when somebody broke the file."""
    path = added_file(home)
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8")).get("backends", {})
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"cannot read {path}: {error}"
        raise ConfigError(message, hint="correct it, or remove it to begin anew") from error
    return {name: section for name, section in found.items() if isinstance(section, dict)}


def write_added(home: Path, sections: Mapping[str, Section]) -> None:
    """Put all of them there in one step that outlives a power cut. Blocks. Raises DiskError."""
    path = added_file(home)
    draft = path.with_suffix(".tmp")
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(_HEAD + "".join(_lines(name, section) for name, section in sorted(sections.items())))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        message = f"cannot write {path}: {error.strerror or error}"
        raise DiskError(message, hint="let this user write there, or free some space") from error


def _lines(name: str, section: Section) -> str:
    return f"\n[backends.{name}]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in section.items())
