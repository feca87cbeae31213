from dataclasses import replace

import pytest

from roundhouse.core.runtimes import Traits
from roundhouse.serving.caching.keys import key_of, may_be_deterministic
from roundhouse.testing.backend import a_deployment

WEIGHTS = Traits(digest="a" * 64)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"model": "m", "messages": []}', False),
        (b'{"model": "m", "temperature": 0}', True),
        (b'{"model": "m", "seed":7}', True),
        (b'{"model": "m", "messages": [{"role": "user", "content": "set the temperature"}]}', False),
    ],
)
def test_most_bodies_are_not_read(body: bytes, *, expected: bool) -> None:
    """Only those that name what makes an answer repeatable may be kept without being asked to."""
    assert expected == may_be_deterministic(body)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (WEIGHTS, WEIGHTS, True),
        (WEIGHTS, Traits(digest="b" * 64), False),
        (WEIGHTS, replace(WEIGHTS, variant="with an adapter"), False),
        (WEIGHTS, replace(WEIGHTS, is_passed_on=True), False),
        (Traits(), Traits(), False),
    ],
)
def test_the_same_weights_answer_the_same_in_two_places(one: Traits, other: Traits, *, same: bool) -> None:
    """Not those that only another node claims to have, nor those of which nothing is known."""
    here, there = replace(a_deployment("a/tiny"), traits=one), replace(a_deployment("b/tiny"), traits=other)
    assert same == (key_of("question", here) == key_of("question", there))


def test_what_a_node_has_new_is_not_what_it_had() -> None:
    """Its word is good enough to tell its own answers apart."""
    old = replace(a_deployment("box/tiny"), traits=replace(WEIGHTS, is_passed_on=True))
    new = replace(old, traits=replace(old.traits, digest="b" * 64))
    assert key_of("question", old) != key_of("question", new)
