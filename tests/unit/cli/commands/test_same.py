from dataclasses import replace

import pytest
from tests.unit.cli.conftest import Run

from roundhouse.cli.commands.same import folded
from roundhouse.core.desks.same import Twin
from roundhouse.testing.management import FakeServer
from roundhouse.testing.management_service import a_model

TINY, STUDIO, CLOUD = "acme/tiny:Q4_K_M", "tiny-1b", "acme/tiny"
TWINS = (
    Twin(f"lmstudio/{STUDIO}", "Q4_K_M", 1_500_000_000, "weights", "name (tiny 1b), Q4_K_M", serves=True),
    Twin(f"cloud/{CLOUD}", "Q4_K_M", None, "weights", "digest aaaaaaaaaaaa", serves=False, hindrance="it is elsewhere"),
    Twin("box/tiny:q8", "Q8_0", None, "model", "another quantisation: Q8_0, not Q4_K_M", serves=False),
)


@pytest.fixture
def filled(server: FakeServer) -> FakeServer:
    """A server with one model under three names."""
    server.management.catalog = [
        replace(a_model(TINY), same_as=(CLOUD, STUDIO), same=TWINS),
        replace(a_model(STUDIO, local=False), same_as=(CLOUD, TINY)),
        replace(a_model(CLOUD, local=False), same_as=(TINY, STUDIO)),
        a_model("other", local=False),
    ]
    return server


@pytest.mark.usefixtures("filled")
def test_same_tells_who_and_why(run: Run) -> None:
    """And whether they answer for the name."""
    assert [
        [f"lmstudio/{STUDIO}", "weights", "yes", "Q4_K_M", "1500000000", "name (tiny 1b), Q4_K_M"],
        [f"cloud/{CLOUD}", "weights", "no", "Q4_K_M", "", "digest aaaaaaaaaaaa; it is elsewhere"],
        ["box/tiny:q8", "model", "no", "Q8_0", "", "another quantisation: Q8_0, not Q4_K_M"],
    ] == run("models", "same", TINY).rows[1:]


@pytest.mark.usefixtures("filled")
def test_same_is_data_too(run: Run) -> None:
    """As JSON with its name, and as bare ids."""
    answer = run("models", "same", TINY, "--json").json
    assert (TINY, [each.id for each in TWINS]) == (answer["name"], [each["id"] for each in answer["same"]])
    assert "".join(f"{each.id}\n" for each in TWINS) == run("models", "same", TINY, "--quiet").out


@pytest.mark.usefixtures("filled")
def test_a_model_that_nobody_shares_says_so(run: Run) -> None:
    """Nothing on stdout."""
    outcome = run("models", "same", "other")
    assert (0, "") == (outcome.code, outcome.out)
    assert "nobody else is known to have other" in outcome.err


@pytest.mark.usefixtures("filled")
def test_ls_in_a_pipe_has_a_row_for_every_name(run: Run) -> None:
    """A program looks for the one it knows."""
    header, *rows = run("models", "ls").rows
    assert {TINY: f"{CLOUD}, {STUDIO}", STUDIO: f"{CLOUD}, {TINY}", CLOUD: f"{TINY}, {STUDIO}", "other": ""} == {
        row[0]: row[header.index("also as")] for row in rows
    }


def test_on_a_terminal_the_names_of_one_model_share_a_row(filled: FakeServer) -> None:
    """That of the library comes first, and names the deployments of the others."""
    rows = [(model.name, also) for model, also in folded(list(filled.management.catalog))]
    assert [(TINY, (f"cloud/{STUDIO}", f"cloud/{CLOUD}")), ("other", ())] == rows


def test_two_copies_in_the_library_are_two_rows() -> None:
    """Each takes room."""
    pair = [replace(a_model(name), same_as=(other,)) for name, other in (("a", "b"), ("b", "a"))]
    assert [("a", ()), ("b", ())] == [(model.name, also) for model, also in folded(pair)]
