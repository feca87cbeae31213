"""A real mlx_lm.server on the CPU. Knows nothing about Roundhouse."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

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
