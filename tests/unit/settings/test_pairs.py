from pathlib import Path

import pytest

from roundhouse.settings.values.pairs import ADAPTERS, DRAFTS


def test_an_adapter_has_a_model_a_file_and_a_scale() -> None:
    """Names of models may have about any mark but the equals sign; the scale may be left out."""
    given = ["acme/tiny:Q4_K_M=/srv/style.gguf", "acme/tiny:Q4_K_M = /srv/a=b.gguf@0.5", "b=/srv/c@1/x.gguf@-2"]
    expected = (
        ("acme/tiny:Q4_K_M", Path("/srv/style.gguf"), 1.0),
        ("acme/tiny:Q4_K_M", Path("/srv/a=b.gguf"), 0.5),
        ("b", Path("/srv/c@1/x.gguf"), -2.0),
    )
    assert expected == ADAPTERS.check(given)


def test_home_is_home() -> None:
    """A tilde is written out."""
    assert (("a", Path.home() / "b.gguf", 1.0),) == ADAPTERS.check(["a=~/b.gguf"])


@pytest.mark.parametrize("raw", [["a"], ["=/b"], ["a="], ["a=b.gguf"], ["a=./b.gguf"], ["a=~nobody-here/b"], 7, [7]])
def test_what_is_no_adapter_is_refused(raw: object) -> None:
    """With the end of a sentence."""
    with pytest.raises(ValueError, match="a list such as"):
        ADAPTERS.check(raw)


@pytest.mark.parametrize("raw", [["a"], ["=b"], ["a="], ["a=b", "a=c"], 7])
def test_what_is_no_draft_is_refused(raw: object) -> None:
    """A model has one draft."""
    with pytest.raises(ValueError, match="a list such as"):
        DRAFTS.check(raw)


def test_what_is_shown_can_be_read_again() -> None:
    """The dump is a file."""
    adapters, drafts = ADAPTERS.check(["a=/b.gguf", "a=/c.gguf@0.25"]), DRAFTS.check(["a:b=c", "d=a:b"])
    assert (adapters, drafts) == (ADAPTERS.check(ADAPTERS.show(adapters)), DRAFTS.check(DRAFTS.show(drafts)))


def test_a_variable_says_the_same() -> None:
    """Separated by commas."""
    assert (("a", "b"), ("c", "d")) == DRAFTS.check(DRAFTS.from_text("a=b,c=d"))
