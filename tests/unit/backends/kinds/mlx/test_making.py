import sys
from pathlib import Path

import pytest

from roundhouse.backends.kinds.mlx.config import Option
from roundhouse.backends.kinds.mlx.making import made
from roundhouse.backends.kinds.mlx.remote import MLX
from roundhouse.core.clock import SystemClock
from roundhouse.core.errors import ConfigError
from roundhouse.core.events import Events
from roundhouse.core.runtimes import Wish, Workshop


def workshop(folder: Path) -> Workshop:
    """A workshop with nothing in it."""
    return Workshop(Events(), SystemClock(), {"PATH": "/usr/bin"}, folder)


async def test_with_an_address_it_is_somebody_elses(tmp_path: Path) -> None:
    """As before."""
    backend = made(Wish("mlx", "mlx", "http://127.0.0.1:8080"), workshop(tmp_path))
    assert isinstance(backend, MLX)
    await backend.close()


def test_somebody_elses_takes_no_options(tmp_path: Path) -> None:
    """They would do nothing, and nobody would notice."""
    wish = Wish("mlx", "mlx", "http://127.0.0.1:8080", options={"memory": "1GiB"})
    with pytest.raises(ConfigError, match="no options"):
        made(wish, workshop(tmp_path))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"python": sys.executable}, "has no mlx_lm"),
        ({"python": "/nowhere/python"}, "cannot be run"),
    ],
)
def test_an_interpreter_without_it_is_refused(tmp_path: Path, options: dict[str, Option], message: str) -> None:
    """At start, with what to do, and not when the first request comes."""
    with pytest.raises(ConfigError, match=message) as caught:
        made(Wish("mlx", "mlx", options=options), workshop(tmp_path))
    assert "mlx" in (caught.value.hint or "")


@pytest.mark.peer
def test_a_folder_without_a_model_is_refused(tmp_path: Path, mlx_python: Path) -> None:
    """Also at start."""
    options: dict[str, Option] = {"python": str(mlx_python), "model": str(tmp_path)}
    with pytest.raises(ConfigError, match="holds no model of MLX"):
        made(Wish("mlx", "mlx", options=options), workshop(tmp_path))
