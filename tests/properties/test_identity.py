import random
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st
from tests.strategies.identity import fleets, names, traits

from roundhouse.core.inference import Deployment
from roundhouse.core.runtimes import Traits
from roundhouse.routing.identity import Evidence, Grouped, evidence_of, group
from roundhouse.routing.identity.names import read
from roundhouse.testing.backend import a_deployment


def grouped(found: list[Deployment]) -> Grouped:
    """All of them, grouped."""
    return group(map(evidence_of, found))


def partition(found: Grouped) -> set[frozenset[str]]:
    """The groups as sets of ids."""
    return {frozenset(each.ids) for each in found.of.values()}


@given(fleets())
def test_every_deployment_is_in_exactly_one_group(found: list[Deployment]) -> None:
    """To have the same weights is an equivalence: everybody with themselves, mutually, and through others."""
    groups = grouped(found)
    assert {each.id for each in found} == groups.of.keys()
    assert len(found) == sum(len(each) for each in partition(groups))
    assert all(name in groups.of[name].ids for name in groups.of)


@given(fleets(), st.randoms(use_true_random=False))
def test_the_order_of_deployments_never_changes_the_groups(found: list[Deployment], shuffler: random.Random) -> None:
    """Whoever was found first at start decides nothing."""
    shuffled = found.copy()
    shuffler.shuffle(shuffled)
    assert partition(grouped(found)) == partition(grouped(shuffled))


def contradict(one: Evidence, other: Evidence) -> bool:
    """Whether two can never have the same weights, whatever lies between them."""
    same_digest = one.digest is not None and one.digest == other.digest
    published = one.quantization in {"MXFP4", "BF16", "F32", "as published"}
    return (
        one.alone is not None
        or other.alone is not None
        or (not same_digest and None in (one.model, other.model))
        or (not same_digest and one.model != other.model)
        or (not same_digest and one.quantization != other.quantization)
        or (not published and None not in (one.digest, other.digest) and one.digest != other.digest)
    )


@given(fleets())
def test_no_group_holds_two_that_contradict_each_other(found: list[Deployment]) -> None:
    """Also when a third one would agree with both."""
    groups = grouped(found)
    for each in {id(each): each for each in groups.of.values()}.values():
        for one, other in combinations(each.members, 2):
            of_one_file = one.digest is not None and other.digest is not None and one.digest == other.digest
            assert of_one_file or not contradict(one, other) or _share_a_digest(each.members, one, other)


def _share_a_digest(members: tuple[Evidence, ...], one: Evidence, other: Evidence) -> bool:
    """Whether what one of them does not say itself is said of the same bytes by another member."""
    for each, against in ((one, other), (other, one)):
        twins = [twin for twin in members if twin is not each and each.digest and twin.digest == each.digest]
        if any(not contradict(twin, against) for twin in twins):
            return True
    return False


@given(names, traits)
def test_no_name_is_too_hostile_to_be_read(name: str, told: Traits) -> None:
    """Whatever a runtime calls its models, it is understood or it is not."""
    one = replace(a_deployment(f"a/{name}"), traits=told)
    other = replace(one, backend="b")
    assert evidence_of(one).id == one.id
    assert partition(grouped([one, other])) in (
        {frozenset({one.id, other.id})},
        {frozenset({one.id}), frozenset({other.id})},
    )


@given(st.text(max_size=300))
def test_reading_any_text_gives_words_or_nothing(name: str) -> None:
    """And what was read has no quantisation among its words."""
    found = read(name)
    assert found is None or all(found.words)


def calls_in(work: Callable[[], object]) -> int:
    """How many calls of functions, ours and built in, *work* makes: its time, without a clock."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def test_ten_times_as_many_deployments_take_ten_times_as_long() -> None:
    """Also when all of them have one name and contradict each other: nobody is compared with everybody."""

    def fleet(size: int) -> list[Evidence]:
        return [
            evidence_of(
                replace(
                    a_deployment(f"b{number}/llama3.2:3b"),
                    traits=Traits(quantization="Q4_K_M", digest=f"{number:064x}" if number % 2 else None),
                )
            )
            for number in range(size)
        ]

    few, many = fleet(1_000), fleet(10_000)
    assert calls_in(lambda: group(many)) < 12 * calls_in(lambda: group(few))
