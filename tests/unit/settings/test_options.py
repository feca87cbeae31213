import pytest

from roundhouse.settings.options import OPTIONS


def test_each_value_is_what_it_most_simply_is() -> None:
    """Numbers, switches and text, without quotes inside quotes."""
    given = ["num_ctx=16384", "keep_alive = 30m", "cloud=true", "wait=0.5", "forever=-1"]
    expected = (("num_ctx", 16_384), ("keep_alive", "30m"), ("cloud", True), ("wait", 0.5), ("forever", -1))
    assert expected == OPTIONS.check(given)


@pytest.mark.parametrize("raw", [["a"], ["=1"], ["a="], ["a=1", "a=2"], ["A b=1"], 7])
def test_what_is_no_option_is_refused(raw: object) -> None:
    """With the end of a sentence."""
    with pytest.raises(ValueError, match="a list such as"):
        OPTIONS.check(raw)


def test_what_is_shown_can_be_read_again() -> None:
    """The dump is a file."""
    value = OPTIONS.check(["a=1", "b=true", "c=x", "d=-0.5"])
    assert value == OPTIONS.check(OPTIONS.show(value))


def test_a_variable_says_the_same() -> None:
    """Separated by commas."""
    assert (("a", 1), ("b", "x")) == OPTIONS.check(OPTIONS.from_text("a=1,b=x"))
