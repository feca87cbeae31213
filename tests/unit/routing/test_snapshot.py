from collections.abc import Mapping, Sequence

from roundhouse.core.inference import Price, Residency
from roundhouse.routing.policy import Policy
from roundhouse.routing.snapshot import Snapshot
from roundhouse.testing.backend import a_deployment


def ids(snapshot: Snapshot, name: str) -> list[list[str]] | None:
    """The ids in each place that *name* stands for."""
    places = snapshot.resolve(name)
    return None if places is None else [[entry.id for entry in place.entries] for place in places]


def a_snapshot(*names: str, aliases: Mapping[str, Sequence[str]] | None = None) -> Snapshot:
    """These deployments, indexed."""
    return Snapshot.build([a_deployment(name) for name in names], aliases)


def test_a_model_stands_for_its_deployments() -> None:
    """All backends that serve it, whatever their order."""
    assert ids(a_snapshot("b/m", "a/m", "a/n"), "m") == [["a/m", "b/m"]]


def test_an_id_stands_for_one_deployment() -> None:
    """``backend/model`` is accepted wherever a model is."""
    assert ids(a_snapshot("a/m", "b/m"), "b/m") == [["b/m"]]


def test_an_unknown_name_stands_for_nothing() -> None:
    """Nothing is not the same as an empty place."""
    assert ids(a_snapshot("a/m"), "x") is None


def test_auto_stands_for_everything() -> None:
    """Every deployment is in one place."""
    assert ids(a_snapshot("a/m", "b/n"), "auto") == [["a/m", "b/n"]]


def test_a_bare_name_stands_for_its_only_tag() -> None:
    """``owner/repo`` is enough while there is one ``owner/repo:TAG``."""
    assert ids(a_snapshot("a/o/r:Q4", "b/o/r:Q4"), "o/r") == [["a/o/r:Q4", "b/o/r:Q4"]]


def test_a_bare_name_with_two_tags_stands_for_nothing() -> None:
    """We do not guess which one was meant."""
    assert ids(a_snapshot("a/o/r:Q4", "a/o/r:Q8"), "o/r") is None


def test_an_alias_is_an_ordered_list() -> None:
    """Each target is a place of its own; a deployment stays at its first, and a missing target is left out."""
    snapshot = a_snapshot("a/m", "b/m", "b/n", aliases={"fast": ["b/m", "gone", "m", "n"]})
    assert ids(snapshot, "fast") == [["b/m"], ["a/m"], ["b/n"]]


def test_an_alias_wins_over_a_model_of_the_same_name() -> None:
    """What the owner wrote down comes first."""
    assert ids(a_snapshot("a/m", "a/n", aliases={"m": ["n"]}), "m") == [["a/n"]]


def test_an_alias_of_nothing_is_known_and_empty() -> None:
    """Its targets may come later."""
    assert ids(a_snapshot("a/m", aliases={"fast": ["gone"]}), "fast") == []


def test_entries_are_in_order_of_what_is_known_beforehand() -> None:
    """Loaded and free first, then price, then id."""
    loaded = a_deployment("z/m", price=Price(0, 0), residency=Residency.LOADED)
    cheap, dear = a_deployment("y/m", price=Price(1e-7, 1e-7)), a_deployment("a/m", price=Price(1e-5, 1e-5))
    assert ids(Snapshot.build([dear, cheap, loaded]), "m") == [["z/m", "y/m", "a/m"]]


def test_models_that_come_last_are_spare_in_auto() -> None:
    """They have a place of their own there, and are ordinary under their own name."""
    snapshot = Snapshot.build(
        [a_deployment("a/noise"), a_deployment("a/m")], None, Policy(auto_last=frozenset({"noise"}))
    )
    assert ids(snapshot, "auto") == [["a/m"], ["a/noise"]]
    assert [place.spare for place in snapshot.resolve("auto") or ()] == [False, True]


def test_models_that_come_last_are_not_spare_when_alone() -> None:
    """Then they are what there is."""
    snapshot = Snapshot.build([a_deployment("a/noise")], None, Policy(auto_last=frozenset({"noise"})))
    assert [place.spare for place in snapshot.resolve("auto") or ()] == [False]


def test_a_typing_error_finds_what_was_meant() -> None:
    """Close names are offered, and at most three."""
    assert a_snapshot("a/llama3.2", "a/qwen3").close_to("lama3.2") == ["llama3.2"]


def test_a_part_of_a_name_finds_the_name() -> None:
    """Upper and lower case are the same here."""
    assert a_snapshot("a/acme/Tiny:Q4_K_M", "a/x").close_to("tiny:q4") == ["acme/Tiny:Q4_K_M"]
