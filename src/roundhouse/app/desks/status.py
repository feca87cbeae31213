"""The house at a glance, and the server's part of `doctor`."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import psutil

from roundhouse import __version__
from roundhouse.app.desks.backends import Backends
from roundhouse.app.desks.models import Models
from roundhouse.app.hub_token import token_place
from roundhouse.app.rooms import Rooms
from roundhouse.core.errors import RoundhouseError
from roundhouse.core.views import BackendStatus, Check, Model, NextStep, Status
from roundhouse.settings import DownloadSettings
from roundhouse.storage.database import Database

#: A small model that is good enough to show something, under a licence that needs no question.
FIRST_REAL_MODEL = "hf:Qwen/Qwen2.5-1.5B-Instruct-GGUF:Q4_K_M"
NOISE = "roundhouse/noise"
#: First release in which two connections that write and checkpoint at once cannot corrupt the log.
_SAFE_SQLITE = (3, 51, 3)
_GIB = 1 << 30


class StatusDesk:
    """How the house is."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    async def status(self) -> Status:
        """Tell the state at a glance; never fails because a backend does."""
        rooms = self._rooms
        backends, models = await asyncio.gather(Backends(rooms).backends(), Models(rooms).models())
        return Status(
            version=__version__,
            url=rooms.url,
            home=str(rooms.settings.home),
            started_at=rooms.started_at,
            database="sqlite" if rooms.database.dialect == "sqlite" else "postgresql",
            backends=tuple(backends),
            found=rooms.neighbours.found,
            models=len(models),
            next=next_step(models),
            looks_around=rooms.settings.discovery.enabled,
        )

    async def checks(self) -> Sequence[Check]:
        """Ask the server's part of `doctor`'s questions."""
        rooms = self._rooms
        backends = await Backends(rooms).backends()
        return [
            await asyncio.to_thread(_durable, rooms.settings.home),
            await asyncio.to_thread(_space, rooms.library.root, rooms.settings.library.min_free),
            await _database(rooms.database),
            _memory(),
            await asyncio.to_thread(_token, rooms.settings.downloads),
            *(_backend(each) for each in backends),
            *(_left_out(name, reason) for name, reason in rooms.roster.left_out.items()),
        ]


def next_step(models: Sequence[Model]) -> NextStep:
    """What is worth doing now."""
    real = [model for model in models if model.name != NOISE]
    if real:
        return NextStep("talk to a model", f'roundhouse chat {real[0].name} "hello"')
    return NextStep("get a real model", f"roundhouse pull {FIRST_REAL_MODEL}")


def _durable(home: Path) -> Check:
    """Whether the home takes a file and puts it on the disk."""
    probe = home / "run" / "probe"
    try:
        with probe.open("wb") as file:
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
        probe.unlink()
    except OSError as error:
        return Check("home", "fail", f"{home} cannot be written: {error.strerror}", "free space, or use another --home")
    return Check("home", "ok", f"{home} can be written and synced")


def _space(folder: Path, least: int) -> Check:
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Check("disk", "fail", f"{folder} cannot be used: {error.strerror}", "set library.path")
    detail = f"{free / _GIB:.1f} GiB free in {folder}"
    if free < least:
        return Check("disk", "fail", detail, "remove models with `roundhouse models rm`, or set library.path")
    return Check("disk", "ok", detail)


async def _database(database: Database) -> Check:
    try:
        await database.read(lambda connection: connection.exec_driver_sql("SELECT 1"))
    except RoundhouseError as error:
        return Check("database", "fail", error.message, error.hint or "check storage.database_url")
    if database.dialect != "sqlite":
        return Check("database", "ok", "PostgreSQL")
    detail = f"SQLite {sqlite3.sqlite_version}, one process, one writer"
    if sqlite3.sqlite_version_info < _SAFE_SQLITE:
        return Check("database", "ok", f"{detail} (older than 3.51.3, which is safe in this arrangement)")
    return Check("database", "ok", detail)


def _memory() -> Check:
    available = psutil.virtual_memory().available
    detail = f"{available / _GIB:.1f} GiB of memory available"
    if available < _GIB:
        return Check("memory", "warn", detail, "close something, or load smaller models")
    return Check("memory", "ok", detail)


def _token(downloads: DownloadSettings) -> Check:
    """Whether there is a token for the hub; nobody asks the hub whether it is a good one."""
    try:
        place = token_place(downloads)
    except RoundhouseError as error:
        return Check("hub token", "warn", error.message, error.hint)
    if place is None:
        return Check("hub token", "ok", "none: public models need no token, gated ones do")
    return Check("hub token", "ok", f"found in {place}")


def _backend(backend: BackendStatus) -> Check:
    name = f"backend {backend.name}"
    if backend.ok and backend.degraded:
        detail = f"much slower than when well: {', '.join(backend.degraded)}"
        return Check(name, "warn", detail, f"see what else runs there, or `roundhouse backends show {backend.name}`")
    if backend.ok and backend.warning is not None:
        return Check(name, "warn", backend.warning, f"check the keys of {backend.name} in the configuration")
    if backend.ok:
        return Check(name, "ok", backend.detail)
    return Check(name, "warn", backend.detail, f"start it, or see `roundhouse backends test {backend.name}`")


def _left_out(name: str, reason: str) -> Check:
    fix = f"remove it with `roundhouse backends rm {name}`, or add it again as it should be"
    return Check(f"backend {name}", "warn", f"left out: {reason}", fix)
