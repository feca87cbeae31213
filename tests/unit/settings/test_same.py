from pathlib import Path

import pytest

from roundhouse.core.errors import ConfigError
from roundhouse.settings import load
from roundhouse.settings.render import dump
from roundhouse.settings.same import SAME_LINES

LINE = "gpt-oss:120b = lmstudio/gpt-oss-120b"


def test_a_line_is_names_that_are_one_model() -> None:
    """And is shown as it was written."""
    lines = SAME_LINES.check([f" {LINE} "])
    assert ((("gpt-oss:120b", "lmstudio/gpt-oss-120b"),), [LINE]) == (lines, SAME_LINES.show(lines))


@pytest.mark.parametrize("raw", [["a"], ["a ="], ["a = a"], [5], "=", [["a", "b"]], {"a": "b"}])
def test_a_line_that_says_nothing_is_refused(raw: object) -> None:
    """With the end of a sentence."""
    with pytest.raises(ValueError, match="a list of lines"):
        SAME_LINES.check(raw)


def test_a_variable_holds_lines_with_commas_between(tmp_path: Path) -> None:
    """As every list."""
    settings = load(home=tmp_path, environment={"ROUNDHOUSE_SAME__TOGETHER": "a = b, c = d = e"})
    assert (("a", "b"), ("c", "d", "e")) == settings.same.together


def test_what_is_said_reads_back(tmp_path: Path) -> None:
    """From a file that `config show` printed."""
    settings = load(home=tmp_path, environment={}, flags={"same.together": [LINE], "same.apart": ["mine:*"]})
    (tmp_path / "dumped.toml").write_text(dump(settings), encoding="utf-8")
    assert settings == load(home=tmp_path, config=tmp_path / "dumped.toml", environment={})


@pytest.mark.parametrize(
    ("same", "sentence"),
    [
        ({"same.together": ["a = b", "c = a"]}, "same.together names a in 2 lines"),
        ({"same.together": ["a = b"], "same.apart": ["b"]}, "same.together and same.apart both name b"),
    ],
)
def test_what_cannot_all_be_true_is_refused(tmp_path: Path, same: dict[str, object], sentence: str) -> None:
    """One of the two is a mistake, and we do not guess which."""
    with pytest.raises(ConfigError, match=sentence):
        load(home=tmp_path, environment={}, flags=same)


def test_a_pattern_may_cover_what_a_line_names(tmp_path: Path) -> None:
    """All apart but these is a wish that makes sense."""
    settings = load(home=tmp_path, environment={}, flags={"same.together": ["a = b"], "same.apart": ["*"]})
    assert ("*",) == settings.same.apart
