"""The one settings tree: read once, frozen, every value knows where it came from."""

from roundhouse.settings.key import Provenance
from roundhouse.settings.load import load
from roundhouse.settings.secret import Secret
from roundhouse.settings.tree import (
    KEYS,
    BackendSettings,
    DiscoverySettings,
    DownloadSettings,
    LibrarySettings,
    LogSettings,
    RoutingSettings,
    RuntimeSettings,
    ServerSettings,
    Settings,
    StorageSettings,
)

__all__ = [
    "KEYS",
    "BackendSettings",
    "DiscoverySettings",
    "DownloadSettings",
    "LibrarySettings",
    "LogSettings",
    "Provenance",
    "RoutingSettings",
    "RuntimeSettings",
    "Secret",
    "ServerSettings",
    "Settings",
    "StorageSettings",
    "load",
]
