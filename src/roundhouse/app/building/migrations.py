"""The migrations of this house, for the person who runs it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from roundhouse.app.building.licenses import rules_of
from roundhouse.core.clock import Clock
from roundhouse.migration import Hall, Limits, Migrations, Surroundings
from roundhouse.settings import Settings


def build_migrations(
    stack: AsyncExitStack, settings: Settings, hall: Hall, clock: Clock, changed: Callable[[], Awaitable[None]]
) -> Migrations:
    """Make what adopts the models of other programs; *changed* is called when models have come or gone."""
    ours = (settings.home, settings.library.path)
    # Where other programs keep their models is told by their own variables.
    around = Surroundings(Path.home(), os.environ, ours)  # noqa: TID251 - read for folders only
    limits = Limits(settings.library.min_free, rules_of(settings))
    migrations = Migrations(hall, around, clock, lambda: secrets.token_hex(6), limits)
    migrations.changed = changed
    stack.push_async_callback(migrations.close)
    return migrations
