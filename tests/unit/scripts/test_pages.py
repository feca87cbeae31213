"""What the docs say in passing: commands inside sentences, links, and sections of the configuration."""

import re
import shlex
from pathlib import Path

import click
import pytest
from scripts.make_reference import ROOT

from roundhouse.cli.main import root
from roundhouse.cli.options import GLOBAL
from roundhouse.settings.load import load

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
WRITTEN = [page for page in PAGES if page.parent.name != "reference"]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"`roundhouse\s+([^`]+)`")
#: In blocks that show a terminal; those without a prompt are run, in `tests/e2e/test_docs.py`.
_TYPED = re.compile(r"^\$ roundhouse (.+)$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def named(page: Path) -> str:
    """How a test of that page is called."""
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """What its headings are called in a link."""
    headings = _HEADING.findall(_FENCE.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def trouble(words: list[str]) -> str:
    """Why these words are no command; nothing when they are one."""
    command: click.Command = root
    context = click.Context(root, info_name="roundhouse")
    for word in words:
        if not isinstance(command, click.Group) or word.startswith("-"):
            break
        found = command.get_command(context, word)
        if found is None:
            return f"no command {word}"
        command, context = found, click.Context(found, context, info_name=word)
    known = {option for each in (*command.params, *GLOBAL) for option in (*each.opts, *each.secondary_opts)}
    strange = [word for word in words if word.startswith("--") and word.partition("=")[0] not in {*known, "--help"}]
    return f"{context.command_path} knows no {strange}" if strange else ""


@pytest.mark.parametrize("page", WRITTEN, ids=named)
def test_commands_within_sentences_exist(page: Path) -> None:
    """Or where shown, with the options named there; what ends in a choice (`ls|show`) is found by the first."""
    text = page.read_text(encoding="utf-8")
    typed = [line for _, block in _FENCE.findall(text) for line in _TYPED.findall(block)]
    wrong = []
    for written in [*_COMMAND.findall(_FENCE.sub("", text)), *typed]:
        words = [
            word.partition("|")[0] for word in shlex.split(written.replace("\n", " ").replace("…", ""), posix=False)
        ]
        if found := trouble([word.strip("[]") for word in words]):
            wrong.append(f"{written}: {found}")
    assert [] == wrong


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    """To a file that is there, and to a heading that it has."""
    wrong = []
    for link in _LINK.findall(_FENCE.sub("", page.read_text(encoding="utf-8"))):
        path, _, anchor = link.partition("#")
        target = page if not path else (page.parent / path).resolve()
        is_here = "://" in link or (target.exists() and (not anchor or anchor in anchors(target)))
        wrong += [] if is_here else [link]
    assert [] == wrong


@pytest.mark.parametrize("page", WRITTEN, ids=named)
def test_sections_of_backends_can_be_configured(page: Path, tmp_path: Path) -> None:
    """Each one as it stands there."""
    text = page.read_text(encoding="utf-8")
    sections = [block for language, block in _FENCE.findall(text) if language == "toml" and "[backends." in block]
    for number, section in enumerate(sections):
        file = tmp_path / f"{number}.toml"
        file.write_text(section)
        assert load(home=tmp_path, config=file, environment={}).backends


def test_every_page_is_found_from_the_first() -> None:
    """Nothing is written that nobody is led to."""
    index = ROOT / "docs" / "README.md"
    led_to = {(index.parent / link).resolve() for link in _LINK.findall(index.read_text(encoding="utf-8"))}
    pages = {page for page in WRITTEN if page.parent.name in {"how-to", "explanation"}}
    assert set() == pages - led_to
