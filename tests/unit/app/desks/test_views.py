"""What is told of a model that several serve."""

from dataclasses import replace

import pytest

from roundhouse.app.desks.views import remote
from roundhouse.core.inference import Capability, Deployment
from roundhouse.core.runtimes import Traits

TRAITS = Traits(quantization="Q4_K_M", slots=4, dimension=768, digest="ab" * 32, repo="owner/repo")
ONE = Deployment("one", "m", "m", frozenset({Capability.CHAT}), 4096, local=True, traits=TRAITS)
TWO = replace(ONE, backend="two", capabilities=frozenset({Capability.EMBEDDING}), context=8192)


def test_those_who_serve_it_are_seen_as_one() -> None:
    """All that one of them can do, the longest context, the slots of both."""
    model = remote("m", [ONE, TWO])
    assert (("chat", "embedding"), 8192, 8) == (model.capabilities, model.served_context, model.slots)
    assert ("Q4_K_M", 768, "ab" * 32, "owner/repo") == (model.quantization, model.dimension, model.digest, model.repo)
    assert (False, False) == (model.leaves_machine, model.passed_on)


@pytest.mark.parametrize(
    ("traits", "field"),
    [
        ({"quantization": "Q8_0"}, "quantization"),
        ({"dimension": 1024}, "dimension"),
        ({"digest": None}, "digest"),
        ({"repo": "other/repo"}, "repo"),
        ({"slots": None}, "slots"),
        ({"extras": frozenset({"system"})}, "digest"),
        ({"extras": frozenset({"adapter"})}, "repo"),
    ],
)
def test_what_they_do_not_agree_on_is_not_told(traits: dict[str, object], field: str) -> None:
    """Nor whose weights they are, where something is added to them."""
    other = replace(TWO, traits=replace(TRAITS, **traits))  # type: ignore[arg-type]
    assert getattr(remote("m", [ONE, other]), field) is None


def test_one_elsewhere_is_enough_to_leave_the_machine() -> None:
    """Somebody who must not have that cannot choose among them."""
    assert remote("m", [ONE, replace(TWO, local=False)]).leaves_machine


def test_a_node_among_others_does_not_make_it_passed_on() -> None:
    """Only where nobody else has it."""
    node = replace(TWO, traits=Traits(is_passed_on=True))
    assert (True, False) == (remote("m", [node]).passed_on, remote("m", [ONE, node]).passed_on)
