"""The program around mlx_lm.server, without mlx_lm: what it closes in the standard library and in its host."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from roundhouse.backends.kinds.mlx.foreign import launch

#: Run in a process of its own: an audit hook cannot be taken back.
TRY = """
import runpy, socket, sys
launch = runpy.run_path(sys.argv[1])
launch["stay_here"]()
for host in sys.argv[2:]:
    for attempt in (lambda: socket.create_connection((host, 9), 0.1), lambda: socket.getaddrinfo(host, 9)):
        try:
            attempt()
            print("open")
        except PermissionError as error:
            print("refused" if "leave this machine" in str(error) else error)
        except OSError:
            print("open")
"""


@pytest.mark.parametrize(
    ("host", "said"),
    [("127.0.0.1", "open"), ("localhost", "open"), ("192.0.2.1", "refused"), ("2001:db8::1", "refused")],
)
def test_nothing_leaves_the_machine(host: str, said: str) -> None:
    """Nor is anybody asked for an address; what is here may be connected to."""
    command = [sys.executable, "-c", TRY, str(Path(launch.__file__)), host]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [said, said] == done.stdout.split()


def test_a_name_is_not_even_looked_up() -> None:
    """The question itself would leave the machine."""
    command = [sys.executable, "-c", TRY, str(Path(launch.__file__)), "huggingface.co"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ["refused", "refused"] == done.stdout.split()


@pytest.mark.parametrize(("asked", "wired"), [(100, 60), (60, 60), (10, 10), (0, 0)])
def test_no_more_is_wired_than_was_reckoned(monkeypatch: pytest.MonkeyPatch, asked: int, wired: int) -> None:
    """However much mlx_lm thinks is best; less stays less."""
    said: list[int] = []

    def set_wired_limit(size: int) -> int:
        said.append(size)
        return 7

    core = ModuleType("mlx.core")
    vars(core)["set_wired_limit"] = set_wired_limit
    monkeypatch.setitem(sys.modules, "mlx.core", core)
    launch.wire_at_most(60)
    assert (7, [wired]) == (core.set_wired_limit(asked), said)


class Generator:
    """As much of mlx_lm's as is wrapped: a prompt is split at its spaces, and followed by other facts or not."""

    is_alone = False

    def _tokenize(self, _tokenizer: object, prompt: str, _args: object) -> object:
        tokens = prompt.split()
        return tokens if self.is_alone else (tokens, [tokens], ["assistant"], "normal", None)


class Alone(Generator):
    """The same, of a version that says nothing else."""

    is_alone = True


@pytest.mark.parametrize("kind", [Generator, Alone])
@pytest.mark.parametrize(("words", "asked", "given"), [(1, 512, 9), (9, 512, 1), (3, 5, 5), (3, 7, 7)])
def test_an_answer_ends_where_its_context_ends(
    monkeypatch: pytest.MonkeyPatch, kind: type[Generator], words: int, asked: int, given: int
) -> None:
    """However long it may be; the memory beyond was never reckoned with."""
    fresh = type("ResponseGenerator", (kind,), {})
    monkeypatch.setitem(sys.modules, "mlx_lm.server", SimpleNamespace(ResponseGenerator=fresh))
    launch.keep_within(10)
    args = SimpleNamespace(max_tokens=asked)
    fresh()._tokenize(None, "word " * words, args)
    assert given == args.max_tokens


@pytest.mark.parametrize("words", [10, 11, 5000])
def test_a_prompt_that_leaves_no_room_is_refused(monkeypatch: pytest.MonkeyPatch, words: int) -> None:
    """In words that say how long it is and how long it may be."""
    fresh = type("ResponseGenerator", (Generator,), {})
    monkeypatch.setitem(sys.modules, "mlx_lm.server", SimpleNamespace(ResponseGenerator=fresh))
    launch.keep_within(10)
    with pytest.raises(ValueError, match=f"prompt is too long: {words} tokens, where 10 fit"):
        fresh()._tokenize(None, "word " * words, SimpleNamespace(max_tokens=1))


def test_an_mlx_lm_that_cannot_be_kept_within_it_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Better no model than a machine that stops for want of memory."""
    monkeypatch.setitem(sys.modules, "mlx_lm.server", SimpleNamespace(ResponseGenerator=object))
    with pytest.raises(AttributeError):
        launch.keep_within(10)
