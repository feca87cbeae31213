"""Who answers for whose name, and who does not."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from roundhouse.core.inference import Capability, Deployment, Operation, Profile
from roundhouse.core.runtimes import Traits
from roundhouse.routing.choose import choose
from roundhouse.routing.identity import Recogniser, Rules
from roundhouse.routing.joining import also_called, hindrance
from roundhouse.routing.snapshot import Snapshot
from roundhouse.testing.backend import a_deployment

DIGEST = "a" * 64


def a_model(name: str, quantization: str | None = "Q4_K_M", *, local: bool = True, **known: str) -> Deployment:
    """A deployment on this machine, unless told otherwise."""
    traits = Traits(quantization=quantization, digest=known.get("digest"))
    return replace(a_deployment(name), traits=traits, local=local, barred=known.get("barred"))


OLLAMA, STUDIO = a_model("ollama/llama3.2:3b"), a_model("lmstudio/llama-3.2-3b-instruct")


def a_snapshot(
    *deployments: Deployment, rules: Rules | None = None, aliases: Mapping[str, Sequence[str]] | None = None
) -> Snapshot:
    """These deployments, recognised and indexed."""
    return Snapshot.build(deployments, aliases, same=Recogniser(rules).look(deployments))


def backends(snapshot: Snapshot, name: str) -> list[list[str]]:
    """The backends in each place that *name* stands for."""
    return [sorted(entry.deployment.backend for entry in place.entries) for place in snapshot.resolve(name) or ()]


def test_either_name_is_served_by_both() -> None:
    """The same weights at two runtimes are one model."""
    snapshot = a_snapshot(OLLAMA, STUDIO)
    assert [["lmstudio", "ollama"]] == backends(snapshot, OLLAMA.model) == backends(snapshot, STUDIO.model)


def test_an_id_stays_exact() -> None:
    """Who names a backend means that one."""
    assert [["ollama"]] == backends(a_snapshot(OLLAMA, STUDIO), OLLAMA.id)


def test_whoever_joins_says_why() -> None:
    """And its own deployments have nothing to explain."""
    snapshot = a_snapshot(OLLAMA, STUDIO)
    reason = "same weights as llama3.2:3b: name (3.2 instruct llama 3b), Q4_K_M"
    assert (None, reason) == (snapshot.whose(OLLAMA.model, OLLAMA.id), snapshot.whose(OLLAMA.model, STUDIO.id))


def test_a_choice_tries_both() -> None:
    """The second is the fallback of the first."""
    profile = Profile(Operation.CHAT, OLLAMA.model, frozenset({Capability.CHAT}), 10)
    route = choose(profile, a_snapshot(OLLAMA, STUDIO), {}, 0.0)
    assert [STUDIO.id, OLLAMA.id] == [each.id for each in route.candidates]


def test_another_quantisation_never_joins() -> None:
    """Who asked for four bits must not get two."""
    assert [["ollama"]] == backends(a_snapshot(OLLAMA, a_model("b/llama-3.2-3b-instruct", "Q2_K")), OLLAMA.model)


def test_nothing_leaves_this_machine_because_of_a_name() -> None:
    """What is asked of a model here is not sent elsewhere; what would be sent elsewhere may stay here."""
    away = replace(STUDIO, local=False)
    snapshot = a_snapshot(OLLAMA, away)
    assert [["ollama"]] == backends(snapshot, OLLAMA.model)
    assert [["lmstudio", "ollama"]] == backends(snapshot, away.model)


def test_nothing_goes_from_one_party_elsewhere_to_another() -> None:
    """They read it, and they send the bill."""
    one, other = (a_model(name, None, local=False) for name in ("openai/gpt-4o", "router/openai/gpt-4o"))
    assert [["openai"]] == backends(a_snapshot(one, other), "gpt-4o")


def test_the_owner_may_bring_together_what_is_apart() -> None:
    """Elsewhere, in another quantisation, or not recognised: a line in the settings is enough."""
    away = a_model("box/llama3.2-big", "Q8_0", local=False)
    snapshot = a_snapshot(OLLAMA, away, rules=Rules(together=((OLLAMA.model, "box/llama3.2-big"),)))
    assert [["box", "ollama"]] == backends(snapshot, OLLAMA.model) == backends(snapshot, away.model)
    assert "same weights as llama3.2:3b: `same.together` says so" == snapshot.whose(OLLAMA.model, away.id)


def test_what_the_owner_says_of_one_name_sends_no_other_away() -> None:
    """The third has the same weights by evidence, and that is no leave to send its requests elsewhere."""
    away = a_model("box/other", "Q8_0", local=False)
    snapshot = a_snapshot(OLLAMA, STUDIO, away, rules=Rules(together=((OLLAMA.model, "other"),)))
    assert [["lmstudio", "ollama"]] == backends(snapshot, STUDIO.model)
    assert [["box", "lmstudio", "ollama"]] == backends(snapshot, OLLAMA.model)


def test_the_owner_may_keep_apart_what_looks_the_same() -> None:
    """By name, by id, or by pattern."""
    for apart in (OLLAMA.model, STUDIO.id, "*", "llama-3.?-*"):
        assert [["ollama"]] == backends(a_snapshot(OLLAMA, STUDIO, rules=Rules(apart=(apart,))), OLLAMA.model)


def test_together_is_stronger_than_a_pattern() -> None:
    """Everything apart, but for this."""
    rules = Rules(together=((OLLAMA.model, STUDIO.model),), apart=("*",))
    assert [["lmstudio", "ollama"]] == backends(a_snapshot(OLLAMA, STUDIO, rules=rules), OLLAMA.model)


def test_a_bracket_in_a_pattern_is_a_bracket() -> None:
    """Names hold stranger things than file names do."""
    odd = a_model("b/mine[1]:x", digest=DIGEST)
    rules = Rules(apart=("mine[1]*",))
    assert [["a"]] == backends(a_snapshot(a_model("a/m", digest=DIGEST), odd, rules=rules), "m")


def test_what_a_licence_bars_is_not_answered_for_by_others() -> None:
    """Nor does it answer for them: agreeing is the only way in."""
    barred = a_model("local/llama-3.2-3b-instruct", barred="needs a licence")
    snapshot = a_snapshot(OLLAMA, barred)
    assert [["local"]] == backends(snapshot, barred.model)
    assert [["ollama"]] == backends(snapshot, OLLAMA.model)


def test_a_name_for_different_weights_is_not_widened() -> None:
    """Nobody knows which of them was meant."""
    other = a_model("b/llama3.2:3b", "Q8_0")
    assert [["b", "ollama"]] == backends(a_snapshot(OLLAMA, other, STUDIO), OLLAMA.model)


def test_an_alias_reaches_all_of_its_model_but_keeps_its_order() -> None:
    """What it names itself stays where it names it."""
    third = a_model("local/Llama-3.2-3B-Instruct-Q4_K_M")
    aliases = {"one": [OLLAMA.model], "two": [OLLAMA.model, STUDIO.id], "exact": [OLLAMA.id]}
    snapshot = a_snapshot(OLLAMA, STUDIO, third, aliases=aliases)
    assert [["lmstudio", "local", "ollama"]] == backends(snapshot, "one")
    assert [["local", "ollama"], ["lmstudio"]] == backends(snapshot, "two")
    assert [["ollama"]] == backends(snapshot, "exact")
    assert (snapshot.whose("one", STUDIO.id) or "").startswith("same weights as llama3.2:3b")


def test_a_model_under_ever_so_many_names_stays_as_it_is() -> None:
    """A runtime that lists thousands of names for one file must not cost thousands of long lists."""
    many = [a_model(f"b/name-{number}", digest=DIGEST) for number in range(200)]
    assert [["b"]] == backends(a_snapshot(*many), "name-7")


def test_what_tells_nothing_new_is_not_grouped_again() -> None:
    """A fleet is asked every half minute, and its weights hardly ever change."""
    recogniser = Recogniser()
    first = recogniser.look([OLLAMA, STUDIO])
    assert first is recogniser.look([replace(OLLAMA), STUDIO])
    assert first is not recogniser.look([OLLAMA])


@pytest.mark.parametrize(
    ("own", "other", "reason"),
    [
        ([OLLAMA], replace(STUDIO, barred="needs a licence"), "it needs a licence"),
        (
            [replace(OLLAMA, barred="needs a licence")],
            STUDIO,
            "llama3.2:3b needs a licence, and nobody answers for that",
        ),
        ([OLLAMA], replace(STUDIO, local=False), "it is elsewhere: only `same.together` sends requests there"),
        ([OLLAMA, a_model("b/llama3.2:3b", "Q8_0")], STUDIO, "llama3.2:3b is the name of different weights"),
        ([OLLAMA], STUDIO, "llama3.2:3b is an alias here, and says itself what it stands for"),
    ],
)
def test_whoever_does_not_join_is_told_why(own: list[Deployment], other: Deployment, reason: str) -> None:
    """Although the weights are the same."""
    assert reason == hindrance(own, other, Recogniser().look([*own, other]))


def test_too_many_names_are_told_as_the_reason() -> None:
    """Where they are."""
    own, other, *rest = [a_model(f"b/name-{number}", digest=DIGEST) for number in range(200)]
    reason = hindrance([own], other, Recogniser().look([own, other, *rest]))
    assert "too many names go for these weights" == reason


def test_a_model_knows_its_other_names() -> None:
    """Sorted, and none where it is alone."""
    alone = a_model("b/other", None)
    assert {OLLAMA.model: (STUDIO.model,), STUDIO.model: (OLLAMA.model,)} == also_called(
        Recogniser().look([OLLAMA, STUDIO, alone])
    )


def test_names_without_end_are_not_told_without_end() -> None:
    """A list of thousands in each of thousands is more than a page can show."""
    called = also_called(Recogniser().look([a_model(f"b/name-{number}", digest=DIGEST) for number in range(200)]))
    assert (200, 16) == (len(called), max(map(len, called.values())))
