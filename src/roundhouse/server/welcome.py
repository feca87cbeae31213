"""What `roundhouse up` prints once it is ready: the address, what was found, what is served, what to type next."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from roundhouse.access.guard import is_loopback
from roundhouse.app import Roundhouse
from roundhouse.app.desks.status import FIRST_REAL_MODEL, NOISE
from roundhouse.core.views import BackendStatus, Model, Status
from roundhouse.settings import Settings

_SHOWN = 4
_USUAL = "Ollama, LM Studio, llama-server, MLX, vLLM"


async def welcome(roundhouse: Roundhouse) -> str:
    """The first screen."""
    status, models = await roundhouse.management.status(), await roundhouse.management.models()
    command = spelled_command()
    held = [model for model in models if model.local and model.name != NOISE]
    rows = [("library", _library(held)), *_found(status, enabled=roundhouse.settings.discovery.enabled)]
    rows += [("backend", _backend(each)) for each in status.backends if each.configured]
    rows.append(("serving", _serving(models)))
    rows += _others(roundhouse.settings)
    steps = _steps(models, command)
    return "\n".join(
        [
            f"Roundhouse {status.version} is up at {status.url}",
            "",
            *(f"  {label:<9} {text}" for label, text in rows),
            "",
            "next",
            *(f"  {label:<16} {text}" for label, text in steps),
            "",
        ]
    )


def _backend(status: BackendStatus) -> str:
    return f"{status.name} at {status.url}: {status.detail.removeprefix(f'{status.name}: ')}"


def _others(settings: Settings) -> list[tuple[str, str]]:
    """What other machines need, when they can reach us at all."""
    if is_loopback(settings.server.host) or settings.server.host == "localhost":
        return []
    return [("others", f"other machines reach it too, with the key in {settings.home / 'admin.key'}")]


def spelled_command() -> str:
    """How this user types our command: by its name when the shell finds it, else by the path it was started with."""
    started = Path(sys.argv[0])
    found = shutil.which("roundhouse")
    if found is not None and Path(found).resolve() == started.resolve():
        return "roundhouse"
    try:
        return str(started.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(started)


def _library(held: list[Model]) -> str:
    if not held:
        return "empty"
    size = sum(model.size or 0 for model in held)
    room = f"{size / (1 << 30):.1f} GiB" if size >= 1 << 30 else f"{size / (1 << 20):.0f} MiB"
    return f"{len(held)} model{'s' if len(held) > 1 else ''}, {room}"


def _found(status: Status, *, enabled: bool) -> list[tuple[str, str]]:
    if status.found:
        return [("found", f"{each.name} at {each.url}: {each.detail}") for each in status.found]
    return [("found", f"nothing on the usual ports ({_USUAL})")] if enabled else []


def _serving(models: Sequence[Model]) -> str:
    served = [model.name for model in models if model.deployments]
    if served == [NOISE]:
        return f"{NOISE}: bundled, random weights; it only makes noise"
    more = f" and {len(served) - _SHOWN} more" if len(served) > _SHOWN else ""
    return ", ".join(served[:_SHOWN]) + more if served else "nothing yet"


def _steps(models: Sequence[Model], command: str) -> list[tuple[str, str]]:
    names = [model.name for model in models if model.deployments]
    real = [name for name in names if name != NOISE]
    steps = []
    if names:
        steps.append(("try it", f'{command} chat {(real or names)[0]} "hello"'))
    if not real:
        steps.append(("a real model", f"{command} pull {FIRST_REAL_MODEL}"))
    return [*steps, ("look at it", "open the address above in a browser")]
