"""Those who serve: who is added while Roundhouse runs, and who leaves. What was acknowledged is there after a restart.

Knows nothing about HTTP, nor about what a backend speaks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from roundhouse.app.compose import STARTERS, Built, gate_rules, kinds, place_of
from roundhouse.app.fleet import Fleet
from roundhouse.app.neighbours import Change
from roundhouse.core.errors import ConfigError, ConflictError, NotFoundError, SchemaError
from roundhouse.core.ports import Backend
from roundhouse.serving.admission.gate import Gate
from roundhouse.serving.admission.gates import Gates
from roundhouse.serving.admission.rules import GateRules
from roundhouse.settings import Settings
from roundhouse.settings.added import added_file, read_added, write_added
from roundhouse.settings.load import load_backend

#: Those who are served when their backend leaves get so long to be done.
_FAREWELL_S = 600.0


class Roster:
    """All backends by name, and the file that keeps those that were added."""

    def __init__(self, settings: Settings, built: Built, fleet: Fleet, gates: Gates) -> None:
        self._settings, self._built, self._fleet, self._gates = settings, built, fleet, gates
        self._lock = asyncio.Lock()
        self._farewells: set[asyncio.Task[None]] = set()

    @property
    def left_out(self) -> Mapping[str, str]:
        """Those that were added and cannot be used, and why."""
        return self._built.left_out

    async def add(self, name: str, section: Mapping[str, object]) -> None:
        """Take one in: a new one, or for good one that was found. Raises ConflictError, SchemaError, DiskError."""
        async with self._lock:
            section = self._completed(name, section)
            home = self._settings.home
            try:
                wish = await asyncio.to_thread(load_backend, name, section, home)
                backend, origin = self._built.make(name, wish)
            except ConfigError as error:
                raise SchemaError(error.message, hint=error.hint, details=error.details) from error
            added = await asyncio.to_thread(read_added, home)
            await asyncio.to_thread(write_added, home, {**added, name: section})
            before = self._built.by_name.get(name)
            self._built.by_name[name], self._built.origins[name] = backend, replace(origin, added=True)
            self._built.wishes[name] = wish
            self._built.left_out.pop(name, None)
            gate = self._gates.dismiss(name)
            self._gates.admit(name, gate_rules(wish), place_of(origin, wish))
            if before is not None:
                self._say_farewell(before, gate)
            await self._fleet.refresh([name])

    async def remove(self, name: str) -> tuple[str, ...]:
        """Let go of one that was added; the ids of what it served. Raises NotFoundError, ConflictError, DiskError."""
        async with self._lock:
            home = self._settings.home
            added = await asyncio.to_thread(read_added, home)
            self._check_removable(name, added)
            await asyncio.to_thread(write_added, home, {each: added[each] for each in added if each != name})
            self._built.wishes.pop(name, None)
            self._built.left_out.pop(name, None)
            self._built.origins.pop(name, None)
            backend = self._built.by_name.pop(name, None)
            gone = await self._fleet.forget(name)
            if backend is not None:
                self._say_farewell(backend, self._gates.dismiss(name))
        neighbours = self._built.neighbours
        if any(name == each.name for each in neighbours.found):  # it runs here, and serves again as one that was found
            await self.follow(await neighbours.look_around())
        return gone

    async def follow(self, change: Change) -> None:
        """Offer what was found, and no longer what is gone; what that is answering is answered."""
        async with self._lock:
            for name, backend in change.gone.items():
                self._say_farewell(backend, self._gates.dismiss(name))
                if name not in self._built.by_name:
                    await self._fleet.forget(name)
            for name in change.fresh:
                origin = self._built.origins.get(name)
                if origin is not None and not origin.configured:
                    self._gates.admit(name, GateRules(), place_of(origin))
            await self._fleet.refresh(change.fresh)

    async def close(self) -> None:
        """Let go of those who were about to leave."""
        for task in self._farewells:
            task.cancel()
        await asyncio.gather(*self._farewells, return_exceptions=True)

    def _completed(self, name: str, section: Mapping[str, object]) -> Mapping[str, object]:
        """The settings, with what is known of a runtime that was found. Raises ConflictError."""
        origin = self._built.origins.get(name)
        if origin is None:
            if name in self._built.wishes:
                message = f"backends.{name} is in {self._settings.config_file} already, and switched off"
                raise ConflictError(message, hint=f"take `enabled = false` out of [backends.{name}]")
            return _with_kind(name, section)
        if origin.configured or origin.url is None:
            message = f"there is a backend {name} already"
            raise ConflictError(message, hint="choose another name, or remove it with `roundhouse backends rm`")
        return {"kind": origin.kind, "url": origin.url, **section}

    def _check_removable(self, name: str, added: Mapping[str, object]) -> None:
        """Raise unless it was added, and nothing else wants it."""
        if name not in added and name not in self._built.by_name:
            message = f"no backend {name}"
            raise NotFoundError(message, hint="see which there are with `roundhouse backends ls`")
        if name not in added:
            message = f"{name} was not added with `roundhouse backends add`"
            raise ConflictError(message, hint=f"write `enabled = false` under [backends.{name}] in roundhouse.toml")
        own, provenance = str(added_file(self._settings.home)), self._settings.provenance
        wanted = [each for key, each in provenance.items() if key.startswith(f"backends.{name}.")]
        others = {str(each) for each in wanted if each.where not in {"", own}}
        if others:
            message = f"backends.{name} also stands in {', '.join(sorted(others))}"
            raise ConflictError(message, hint="remove it there, and start Roundhouse again")

    def _say_farewell(self, backend: Backend, gate: Gate | None) -> None:
        task = asyncio.get_running_loop().create_task(_farewell(backend, gate))
        self._farewells.add(task)
        task.add_done_callback(self._farewells.discard)


def _with_kind(name: str, section: Mapping[str, object]) -> Mapping[str, object]:
    """The settings with a kind: its name, if there is a kind of that name. Raises SchemaError."""
    kind = section.get("kind") or (name if name in kinds() else "openai-compatible")
    if kind in STARTERS and "url" not in section:
        message = f"a backend of kind {kind} without a url starts a program, which only roundhouse.toml may ask for"
        raise SchemaError(message, hint=f"write [backends.{name}] into roundhouse.toml, or give a url")
    return {"kind": kind, **section}


async def _farewell(backend: Backend, gate: Gate | None) -> None:
    """Close *backend* once nobody is served by it any more, or it took too long."""
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL_S):
                if gate is not None:
                    await gate.emptied()
    finally:
        await backend.close()
