"""Style sheet, script and icon, read once and served under names that change with their content.

Knows nothing about pages. There is no path to escape from: what is served is what was read at the start.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file and its address."""

    path: str
    content: bytes
    media_type: str


def read_assets() -> Mapping[str, Asset]:
    """Read everything in ``static/``, by file name."""
    assets = {}
    for entry in files("roundhouse.web").joinpath("static").iterdir():
        content = entry.read_bytes()
        version = hashlib.sha256(content).hexdigest()[:12]
        stem, _, suffix = entry.name.rpartition(".")
        assets[entry.name] = Asset(f"/static/{stem}.{version}.{suffix}", content, _TYPES[suffix])
    return assets
