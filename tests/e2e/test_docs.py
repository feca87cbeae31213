"""What the docs tell people to type is typed here, against a running Roundhouse."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.conftest import ROOT, Running

pytestmark = pytest.mark.slow

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
#: What reaches beyond this machine, or does not end by itself: these must parse, and are not run.
NOT_RUN = {"pull", "up", "serve"}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """Language and text of each block of code."""
    for found in FENCE.finditer(page.read_text(encoding="utf-8")):
        yield found[1], found[2]


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every `roundhouse …` line of every block, without comments."""
    for page in PAGES:
        if page.parent.name == "reference":
            continue  # generated from the commands themselves
        for _, text in blocks(page):
            for line in text.splitlines():
                if line.startswith("roundhouse "):
                    yield page.name, shlex.split(line, comments=True)[1:]


COMMANDS = list(commands())
PYTHON = [(page.name, text) for page in PAGES for language, text in blocks(page) if language == "python"]


def served(words: list[str]) -> list[str]:
    """The same for the model that is here: docs speak of a real one."""
    return [re.sub(r"Qwen/[\w.-]+(:\w+)?$", "roundhouse/noise", word).replace("-m chat", "-m auto") for word in words]


def test_there_is_something_to_type() -> None:
    """An empty list would make all of this pass."""
    assert len(COMMANDS) > 5
    assert len(PYTHON) >= 2


@pytest.fixture(scope="module")
def folder(one: Running, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a reader of the docs stands: the files that they speak of are there, about the model that is here."""
    folder = tmp_path_factory.mktemp("reader")
    for words in (("bundle", "roundhouse/noise", "-o", "models.tar"), ("export", "-o", "registry.json")):
        done = one.cli("models", *words, cwd=folder)
        assert done.returncode == 0, done.stderr
    (folder / "models.toml").write_text('[[models]]\nref = "bundled:noise"\n')
    return folder


def test_declarations_of_the_docs(one: Running, tmp_path: Path) -> None:
    """What is shown as a declaration is one."""
    shown = [text for page in PAGES for language, text in blocks(page) if language == "toml" and "[[models]]" in text]
    for text in shown:
        (tmp_path / "models.toml").write_text(text)
        done = one.cli("models", "ensure", str(tmp_path / "models.toml"), "--dry-run")
        assert (done.returncode, done.stdout.count("pending")) == (0, text.count("[[models]]")), done.stderr
    assert shown


@pytest.mark.parametrize(("page", "words"), COMMANDS, ids=[" ".join(words) for _, words in COMMANDS])
def test_a_command_of_the_docs(one: Running, folder: Path, page: str, words: list[str]) -> None:
    """It exists and works; what must not run here has at least a help of that name."""
    if words[0] in NOT_RUN:
        words = [words[0], "--help"]
    if words[:2] == ["route", "explain"]:
        words = ["auto" if word == "chat" else word for word in words]
    done = one.cli(*served(words), cwd=folder)
    assert done.returncode == 0, f"{page}: {words}: {done.stderr}"


@pytest.mark.parametrize(("page", "code"), PYTHON, ids=[page for page, _ in PYTHON])
def test_python_of_the_docs(one: Running, page: str, code: str) -> None:
    """It runs as it stands, but for the port, and says something."""
    code = code.replace("http://127.0.0.1:8484", one.url)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, bool(done.stdout.strip())) == (0, True), f"{page}: {done.stderr}"
