from dataclasses import replace
from datetime import timedelta

import pytest

from roundhouse.core.artifacts import Artifact, Older
from roundhouse.core.errors import ConflictError, NotFoundError
from roundhouse.library.revisions import chosen, kept_beside
from roundhouse.testing.builders import NOON, a_file, an_artifact


def revision(name: str, day: int = 0) -> Artifact:
    """A revision of one model that came some days after noon."""
    made = an_artifact("m", a_file(name))
    return replace(made, revision=f"sha256:{name * 8}", created_at=NOON + timedelta(days=day))


def older(name: str, day: int = 0, *, served: int | None = None) -> Older:
    """The same, no longer served since a day."""
    return Older(revision(name, day), NOON + timedelta(days=day if served is None else served))


def test_the_one_that_was_served_is_kept() -> None:
    """Beside the new one, as many as are to be kept."""
    kept = kept_beside(revision("c"), revision("b"), [older("a")], keep=2, now=NOON)
    assert (Older(revision("b"), NOON), older("a")) == kept
    assert kept[:1] == kept_beside(revision("c"), revision("b"), [older("a")], keep=1, now=NOON)
    assert () == kept_beside(revision("c"), revision("b"), [older("a")], keep=0, now=NOON)


def test_what_served_last_is_kept_longest() -> None:
    """Whoever went back from a bad revision keeps the good one when the next comes."""
    kept = kept_beside(revision("c", 3), revision("a", 1), [older("b", 2)], keep=1, now=NOON + timedelta(days=3))
    assert ["a" * 8] == [each.artifact.revision.partition(":")[2] for each in kept]


def test_the_same_bytes_are_not_kept_twice() -> None:
    """Whatever they were called upstream."""
    again = replace(revision("a"), revision="another")
    assert () == kept_beside(again, revision("a"), [older("a")], keep=3, now=NOON)


def test_the_newest_before_the_served_one_is_meant() -> None:
    """Going back twice goes back two steps, not forth again."""
    held = [older("a", 1), older("b", 2), older("d", 4)]
    assert revision("b", 2) == chosen(revision("c", 3), held, None)
    with pytest.raises(NotFoundError, match="no older revision"):
        chosen(revision("a", 1), [older("b", 2)], None)


def test_a_revision_is_named_by_its_beginning() -> None:
    """With or without what stands before the colon, or by its key."""
    held = [older("a"), older("b")]
    for wanted in ("sha256:aaaa", "aaaa", revision("a").key):
        assert revision("a") == chosen(revision("c"), held, wanted)


@pytest.mark.parametrize("wanted", ["a", "cccc", "", "x" * 500])
def test_what_fits_none_is_refused(wanted: str) -> None:
    """Too short, the one that is served, or nothing at all; the hint names those that there are."""
    with pytest.raises(NotFoundError) as caught:
        chosen(revision("c"), [older("a")], wanted)
    assert revision("a").key in (caught.value.hint or "")


def test_what_fits_several_is_refused() -> None:
    """Nobody guesses."""
    with pytest.raises(ConflictError):
        chosen(revision("c"), [older("a"), older("b")], "sha256")
