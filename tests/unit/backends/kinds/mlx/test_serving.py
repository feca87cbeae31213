"""How a child is told what to serve, and what becomes of one that does not come up."""

import sys
from pathlib import Path

import pytest

from roundhouse.backends.children.child import KilledError
from roundhouse.backends.kinds.mlx.budget import Share
from roundhouse.backends.kinds.mlx.serving import Place, arguments_of, environ_of, start
from roundhouse.core.errors import BackendError

SHARE = Share(weights=1 << 30, context=8192, slots=10, cache=3 << 30, prompts=7)
#: Takes its order, listens, says so, and ends as it is told below.
INTERPRETER = """#!{python}
import os, signal, socket, sys
sys.stdin.buffer.readline()
with socket.create_server(("127.0.0.1", 0)) as server:
    print('{{"address": "http://127.0.0.1:%d"}}' % server.getsockname()[1], flush=True)
    {ending}
"""


def an_interpreter(folder: Path, ending: str) -> Place:
    """A place whose interpreter comes as far as listening, whatever it is told to run."""
    folder.mkdir(exist_ok=True)
    python = folder / "python"
    python.write_text(INTERPRETER.format(python=sys.executable, ending=ending))
    python.chmod(0o700)
    return Place(python, folder, {}, load_s=30.0, hang_s=0.4)


def test_what_a_child_is_told() -> None:
    """Absolute paths, loopback, a port of the system's choice, and the whole budget."""
    told = arguments_of(Path("/models/m"), Path("/models/d"), SHARE)
    assert {
        "--model=/models/m",
        "--draft-model=/models/d",
        "--host=127.0.0.1",
        "--port=0",
        "--max-tokens=8192",
        "--decode-concurrency=10",
        "--prompt-concurrency=8",
        "--prompt-cache-size=7",
        f"--prompt-cache-bytes={3 << 30}",
    } <= set(told)


def test_a_child_stays_at_home() -> None:
    """It gets neither keys nor a place for modules; what its libraries write goes into a folder of its own."""
    given = {"PATH": "/bin", "HF_TOKEN": "x", "PYTHONPATH": "/src", "HF_HOME": "/shared"}
    environ = environ_of(Place(Path("/python"), Path("/home/mlx"), given, 1.0, 1.0))
    assert ("/bin", "/home/mlx/huggingface") == (environ["PATH"], environ["HF_HOME"])
    assert ("1", "1") == (environ["HF_HUB_OFFLINE"], environ["TRANSFORMERS_OFFLINE"])
    assert {"HF_TOKEN", "PYTHONPATH"}.isdisjoint(environ)


@pytest.mark.parametrize("how", ["SIGKILL", "SIGSTOP"])
async def test_a_child_that_is_killed_or_hangs_while_it_loads(tmp_path: Path, how: str) -> None:
    """It is no fault of the model, so another one is worth a try; and nobody waits for the end of a load."""
    place = an_interpreter(tmp_path, f"os.kill(os.getpid(), signal.{how})")
    with pytest.raises(KilledError, match="could not load m: killed by SIGKILL"):
        await start("m", tmp_path, None, SHARE, place)


async def test_a_child_that_gives_up_is_believed(tmp_path: Path) -> None:
    """In its own words; a second one would say the same."""
    place = an_interpreter(tmp_path, "sys.exit('an error in the weights')")
    with pytest.raises(BackendError, match="could not load m: an error in the weights") as caught:
        await start("m", tmp_path, None, SHARE, place)
    assert not isinstance(caught.value, KilledError)
