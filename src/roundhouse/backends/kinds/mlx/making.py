"""Makes what a section of kind ``mlx`` means: with a ``url`` a server of somebody else's, without one our own.

Knows nothing about requests.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from roundhouse.backends.children.child import scrubbed
from roundhouse.backends.children.residents import HouseRules
from roundhouse.backends.kinds.mlx.config import household_of
from roundhouse.backends.kinds.mlx.machine import this_machine
from roundhouse.backends.kinds.mlx.managed import House, ManagedMLX
from roundhouse.backends.kinds.mlx.remote import MLX
from roundhouse.backends.kinds.mlx.serving import Place
from roundhouse.backends.kinds.mlx.shelf import Shelf
from roundhouse.core.errors import ConfigError
from roundhouse.core.runtimes import Wish, Workshop

_LOAD_S, _HANG_S, _LOOK_S = 600.0, 20.0, 20.0
#: Without importing it, which takes seconds.
_LOOK = "import importlib.util as i, sys; sys.exit(i.find_spec('mlx_lm') is None or i.find_spec('mlx') is None)"
_INSTALL = "install it with `PYTHON -m pip install mlx-lm` (on Linux `mlx-lm[cpu]`), or name another `python`"


def made(wish: Wish, workshop: Workshop) -> MLX | ManagedMLX:
    """Make one as it was configured. Raises ConfigError."""
    if wish.url is not None:
        if wish.options:
            message = f"backends.{wish.name} has a url, so somebody else started it: it takes no options"
            raise ConfigError(message)
        return MLX.made(wish, workshop)
    household = household_of(wish.name, wish.options)
    check_interpreter(wish.name, household.python, workshop)
    shelf = Shelf(wish.name, household, this_machine(), workshop.mlx_folders, wish.models)
    place = Place(household.python, workshop.folder / wish.name, workshop.environ, _LOAD_S, _HANG_S, idle_s=wish.idle_s)
    rules = HouseRules(shelf.memory, household.idle_s, _HANG_S)
    return ManagedMLX(wish.name, shelf, House(place, rules, household.preload), workshop.events)


def check_interpreter(name: str, python: Path, workshop: Workshop) -> None:
    """Refuse an interpreter that has no mlx_lm. Blocks for a moment. Raises ConfigError."""
    try:
        looked = subprocess.run(  # noqa: S603 - the configuration's own interpreter
            (str(python), "-c", _LOOK),
            env=scrubbed(workshop.environ),
            capture_output=True,
            check=False,
            timeout=_LOOK_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        message = f"backends.{name}.options.python: {python} cannot be run"
        raise ConfigError(message, hint="name an interpreter that has mlx_lm") from error
    if looked.returncode != 0:
        message = f"backends.{name}: {python} has no mlx_lm"
        raise ConfigError(message, hint=_INSTALL.replace("PYTHON", str(python)))
