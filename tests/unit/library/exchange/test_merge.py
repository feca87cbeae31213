import pytest

from roundhouse.core.artifacts import Artifact
from roundhouse.core.desks.exchange import OnConflict
from roundhouse.core.errors import ConflictError
from roundhouse.library.exchange.merge import arrange
from roundhouse.testing.builders import a_file, an_artifact

NEW, OLD = an_artifact("m", a_file("new.gguf")), an_artifact("m", a_file("old.gguf"))


def told(coming: list[Artifact], here: list[Artifact], policy: OnConflict = "fail") -> list[tuple[str, str]]:
    """Name and state of each."""
    return [(verdict.artifact.model, verdict.state) for verdict in arrange(coming, here, policy)]


def test_what_is_new_is_added_and_what_is_here_stays() -> None:
    """The same bytes under the same name are no conflict."""
    assert [("m", "added"), ("n", "unchanged")] == told([NEW, an_artifact("n")], [an_artifact("n")])


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("skip", ("m", "skipped")), ("replace", ("m", "replaced")), ("keep-both", ("m-2", "added"))],
)
def test_policies(policy: OnConflict, expected: tuple[str, str]) -> None:
    """Each does what it says."""
    assert [expected] == told([NEW], [OLD], policy)


def test_a_free_name_is_found_once() -> None:
    """Names that are taken are passed over, unless the same bytes are there."""
    taken = an_artifact("m-2", a_file("third.gguf"))
    assert [("m-3", "added")] == told([NEW], [OLD, taken], "keep-both")
    assert [("m-2", "added"), ("m-3", "added")] == told([taken, NEW], [OLD], "keep-both")
    kept = an_artifact("m-2", a_file("new.gguf"))
    assert [("m-2", "unchanged")] == told([NEW], [OLD, kept], "keep-both")


def test_a_long_name_stays_a_name() -> None:
    """The number finds its place in it."""
    long = "m" * 200
    (verdict,) = arrange([an_artifact(long, a_file("a"))], [an_artifact(long, a_file("b"))], "keep-both")
    assert len(verdict.artifact.model) <= 200


def test_every_conflict_is_told() -> None:
    """In the details, and some of them by name."""
    coming = [an_artifact(f"m{number}", a_file("new.gguf")) for number in range(9)]
    here = [an_artifact(f"m{number}", a_file("old.gguf")) for number in range(9)]
    with pytest.raises(ConflictError, match="m0, m1, m2, m3, m4 and others") as raised:
        arrange(coming, here, "fail")
    assert [each.model for each in coming] == raised.value.details["models"]
