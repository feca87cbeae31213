"""Where the hub's token comes from: asked once at start, held in memory, written nowhere.

Knows nothing about hubs. A package for the keyring is used when it is installed, and is no dependency of ours.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Protocol, cast

import structlog

from roundhouse.core.errors import ConfigError
from roundhouse.settings import DownloadSettings

#: Under what the keyring knows it: ``keyring set roundhouse huggingface``.
SERVICE, ACCOUNT = "roundhouse", "huggingface"
_LONGEST = 10_000

_log = structlog.get_logger("roundhouse.app")


class _Keyring(Protocol):
    def get_password(self, service: str, account: str) -> str | None: ...


def hub_token(downloads: DownloadSettings) -> str | None:
    """The token that the settings mean; ``None`` when there is none. Raises ConfigError. Blocks."""
    match downloads.token_from:
        case "none":
            return None
        case "env":
            return _of_variable(downloads)
        case "file":
            return _of_file(downloads.token_file)
        case "keyring":
            return _of_keyring(required=True)
        case _:
            return _of_variable(downloads) or _of_file(downloads.token_file) or _of_keyring(required=False)


def token_place(downloads: DownloadSettings) -> str | None:
    """Where the token was found, in words; ``None`` when there is none. Raises ConfigError. Blocks."""
    chosen = downloads.token_from
    wanted = {chosen} if chosen != "auto" else {"env", "file"}
    if "env" in wanted and _of_variable(downloads):
        return "the environment"
    if "file" in wanted and _of_file(downloads.token_file):
        return str(downloads.token_file)
    return "the keyring" if hub_token(downloads) else None


def _of_variable(downloads: DownloadSettings) -> str | None:
    return downloads.token.reveal() if downloads.token else None


def _of_file(path: Path | None) -> str | None:
    try:
        text = path.read_text(encoding="ascii")[:_LONGEST].strip() if path else ""
    except (OSError, UnicodeDecodeError):
        return None
    return text if text.isprintable() and " " not in text and text else None


def _of_keyring(*, required: bool) -> str | None:
    if importlib.util.find_spec("keyring") is None:
        if required:
            message = "downloads.token_from is keyring, and there is no keyring here"
            raise ConfigError(message, hint="install the package keyring beside Roundhouse, or use another place")
        return None
    keyring = cast("_Keyring", importlib.import_module("keyring"))  # not ours to depend on
    failure = importlib.import_module("keyring.errors").KeyringError
    try:
        return keyring.get_password(SERVICE, ACCOUNT) or None
    except failure as error:
        if required:
            message = f"the keyring does not open: {type(error).__name__}"
            raise ConfigError(message, hint="unlock it, or name another place in downloads.token_from") from error
        _log.info("the keyring does not open", reason=type(error).__name__)
        return None
