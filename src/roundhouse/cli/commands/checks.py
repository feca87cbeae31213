"""What `doctor` finds out by itself, also when no server can start. Knows nothing about how it is shown."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from roundhouse.backends.llamacpp.gpu import Card, nvidia_cards
from roundhouse.cli import wording
from roundhouse.core.views import Check
from roundhouse.settings import Settings

_LEAST_PYTHON = (3, 11)
_PROBE_S = 5.0
_IMPORT_S = 60.0


def python() -> Check:
    """The interpreter that runs this."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info < _LEAST_PYTHON:
        return Check("python", "fail", version, "install Python 3.11 or newer")
    return Check("python", "ok", version)


def home(folder: Path) -> Check:
    """Whether the home takes a file and puts it on the disk."""
    place = _nearest(folder)
    probe = place / f".roundhouse-probe-{os.getpid()}"
    try:
        with probe.open("wb") as file:
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
        probe.unlink()
    except OSError as error:
        detail = f"{place} cannot be written: {error.strerror}"
        return Check("home", "fail", detail, "give it to this user, or choose another with --home or ROUNDHOUSE_HOME")
    return Check("home", "ok", f"{folder} can be written and synced" if place == folder else f"{folder} can be made")


def _nearest(folder: Path) -> Path:
    """The folder itself, or the first one above it that is there and may be looked into."""
    for place in (folder, *folder.parents):
        with suppress(OSError):
            if place.exists():
                return place
    return folder


def disk(folder: Path, least: int) -> Check:
    """Whether there is room for models."""
    folder = _nearest(folder)
    if not os.access(folder, os.W_OK):
        return Check("disk", "fail", f"{folder} cannot be written", "give it to this user, or set library.path")
    free = shutil.disk_usage(folder).free
    detail = f"{wording.size(free)} free in {folder}"
    if free < least:
        return Check("disk", "fail", detail, "remove models with `roundhouse models rm`, or set library.path")
    return Check("disk", "ok", detail)


def port(settings: Settings, url: str | None) -> Check:
    """Whether the port is free, or ours."""
    if url is not None:
        return Check("port", "ok", f"a server of this home listens at {url}")
    host, number = settings.server.host, settings.server.port
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, number))
        except OSError as error:
            detail = f"{host}:{number}: {error.strerror}"
            return Check("port", "warn", detail, "set server.port, or start with `roundhouse up --port 0`")
    return Check("port", "ok", f"{host}:{number} is free")


def keys(settings: Settings) -> Iterator[Check]:
    """Whether the keys that the settings name are there."""
    for name, backend in settings.backends.items():
        place = backend.api_key_env or backend.api_key_file
        if place is not None and backend.enabled:
            what = f"key of {name}"
            if backend.api_key is None:
                kind = "variable" if backend.api_key_env else "file"
                yield Check(what, "warn", f"the {kind} {place} holds none", "set it where `roundhouse up` is started")
            else:
                yield Check(what, "ok", f"there is one in {place}")


#: Says its version, and how many of its devices are more than a CPU.
_LOADS = """
import importlib.metadata as m, xllamacpp
print(m.version("xllamacpp"), sum(0 < int(each["type"]) < 3 for each in xllamacpp.get_device_info()))
"""


def llamacpp() -> Check:
    """Whether the embedded llama.cpp can be loaded; in a child, since a broken one could take us down."""
    command = [sys.executable, "-c", _LOADS]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_IMPORT_S, check=False)  # noqa: S603 - ourselves
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check("llama.cpp", "fail", str(error), "install Roundhouse again")
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return Check("llama.cpp", "fail", reason, "install Roundhouse again, or use another runtime beside it")
    version, _, cards = done.stdout.strip().partition(" ")
    return _cards(f"xllamacpp {version} loads", cards, nvidia_cards())


def _cards(loads: str, usable: str, seen: Sequence[Card]) -> Check:
    """Whether the graphics cards of this machine are of use."""
    if usable not in {"", "0"}:
        return Check("llama.cpp", "ok", f"{loads} and uses {usable} graphics card{'s' if usable != '1' else ''}")
    if seen:
        fix = "install an xllamacpp that is built for it; until then models run on the processor"
        return Check("llama.cpp", "warn", f"{loads}, and cannot use the {seen[0].name} of this machine", fix)
    return Check("llama.cpp", "ok", loads)


def hub(settings: Settings) -> Check:
    """Whether the hub answers."""
    endpoint = settings.downloads.endpoint
    if settings.downloads.offline:
        return Check("hub", "ok", "not asked: offline")
    parts = urlsplit(endpoint)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=_PROBE_S)
    try:
        connection.request("GET", f"{parts.path}/api/models?limit=1", headers={"user-agent": "roundhouse-doctor"})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        detail = f"{endpoint}: {str(error) or type(error).__name__}"
        return Check("hub", "warn", detail, "check network and proxy, or set downloads.endpoint")
    finally:
        connection.close()
    if status >= http.HTTPStatus.BAD_REQUEST:
        return Check("hub", "warn", f"{endpoint} answers {status}", "check downloads.endpoint")
    return Check("hub", "ok", f"{endpoint} answers")
