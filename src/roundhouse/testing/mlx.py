"""A real mlx_lm.server on the CPU: started by the test, or by Roundhouse with eyes on it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil

from roundhouse.backends.children.residents import HouseRules
from roundhouse.backends.kinds.mlx.config import Household
from roundhouse.backends.kinds.mlx.machine import Machine
from roundhouse.backends.kinds.mlx.managed import House, ManagedMLX
from roundhouse.backends.kinds.mlx.serving import Place
from roundhouse.backends.kinds.mlx.shelf import Shelf
from roundhouse.core.runtimes import ModelFolder
from roundhouse.testing.children import Watched, children_with
from roundhouse.testing.program import free_port, running


@contextmanager
def mlx_server(python: Path, model: Path, folder: Path, environ: Mapping[str, str]) -> Iterator[str]:
    """Serve the model in the folder *model* with the interpreter *python* that has mlx_lm; gives its address."""
    port = free_port()
    # Without a cache folder it cannot even list the model that it was started with.
    (folder / "huggingface" / "hub").mkdir(parents=True)
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "huggingface")}
    command = [str(python), "-m", "mlx_lm", "server", "--model", str(model), "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    with running(command, f"{url}/health", log=folder / "mlx.log", environ={**environ, **offline}, within_s=110.0):
        yield url


def make_noise(script: Path, folder: Path) -> None:
    """Write the tiny random model with the repository's own *script*."""
    subprocess.run([sys.executable, str(script), str(folder)], check=True)  # noqa: S603 - ours


#: Enough for two of the tiny model, most of it for the interpreter.
MEMORY = 3 << 29
RULES = HouseRules(MEMORY)


class Managed(Watched[ManagedMLX]):
    """A backend ``mlx`` that starts its own children."""

    def __init__(  # noqa: PLR0913 - each test differs in one of them
        self,
        python: Path,
        folder: Path,
        environ: Mapping[str, str],
        *,
        model: Path | None = None,
        folders: Sequence[ModelFolder] = (),
        rules: HouseRules = RULES,
        slots: int = 4,
        draft: Path | None = None,
        preload: bool = False,
        greet_s: float = 60.0,
    ) -> None:
        self.folders = folders
        household = Household(python, model, draft, memory=rules.memory, slots=slots)
        shelf = Shelf("mlx", household, Machine(rules.memory), lambda: self.folders)
        place = Place(python, folder / "mlx", environ, load_s=60.0, hang_s=rules.hang_s, greet_s=greet_s)
        super().__init__(lambda events: ManagedMLX("mlx", shelf, House(place, rules, preload), events))


def named(model: ModelFolder, *names: str) -> list[ModelFolder]:
    """The same model under other names."""
    return [replace(model, name=name) for name in names]


def children() -> list[psutil.Process]:
    """Every mlx_lm.server that this process started itself and that lives."""
    return children_with("foreign/launch.py")
