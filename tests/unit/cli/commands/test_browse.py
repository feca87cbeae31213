import pytest
from tests.unit.cli.conftest import Run

from roundhouse.testing.management import FakeServer
from roundhouse.testing.management_service import an_offer


@pytest.fixture
def filled(server: FakeServer) -> FakeServer:
    """A server whose hub has a model that fits and one that does not."""
    server.management.offers = [an_offer("acme/big-GGUF", sizes=(40 << 30,)), an_offer("acme/tiny-GGUF")]
    return server


@pytest.mark.usefixtures("filled")
def test_browse_shows_size_licence_quantisations_and_fit(run: Run) -> None:
    """One row per model, with the best variant that fits."""
    big, tiny = run("models", "browse").rows[1:]
    assert ["acme/big-GGUF", "none", str(40 << 30), "Q4_K_M", "apache-2.0", "1234"] == big
    assert ["acme/tiny-GGUF", "Q4_K_M", str(1 << 30), "Q4_K_M Q8_0 F16", "apache-2.0", "1234"] == tiny


@pytest.mark.usefixtures("filled")
def test_browse_names_the_next_command(run: Run) -> None:
    """What to pull to get the first that fits, and what fitting means."""
    err = run("models", "browse").err
    assert "roundhouse pull hf:acme/tiny-GGUF:Q4_K_M" in err
    assert "12.0 GiB of memory" in err


@pytest.mark.usefixtures("filled")
def test_browse_passes_on_what_is_looked_for(run: Run) -> None:
    """Text, owner, order and number."""
    found = run("models", "browse", "tiny", "--owner", "acme", "--sort", "likes", "--limit", "1", "--json").json
    assert ["acme/tiny-GGUF"] == [offer["name"] for offer in found["offers"]]
    assert [True, True, False] == [variant["fits"] for variant in found["offers"][0]["variants"]]


@pytest.mark.usefixtures("filled")
def test_browse_quietly_gives_references(run: Run) -> None:
    """One to a line, for a pipe."""
    assert "hf:acme/big-GGUF\nhf:acme/tiny-GGUF\n" == run("models", "browse", "--quiet").out


@pytest.mark.usefixtures("server")
def test_nothing_found_says_where(run: Run) -> None:
    """Exit 0: it is an answer."""
    outcome = run("models", "browse", "nothing")
    assert (0, "") == (outcome.code, outcome.out)
    assert "nothing like that at https://hub.example.com" in outcome.err


@pytest.mark.parametrize("flags", [("--offline",), ()])
def test_browsing_offline_is_exit_5(run: Run, filled: FakeServer, flags: tuple[str, ...]) -> None:
    """Whether the command or the server is offline; with what is there instead."""
    filled.management.offline = not flags
    outcome = run("models", "browse", *flags)
    assert 5 == outcome.code
    assert "roundhouse models ls" in outcome.err


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("flags", [("--sort", "size"), ("--limit", "0"), ("--limit", "51"), ("--limit", "x")])
def test_what_makes_no_sense_is_a_usage_error(run: Run, flags: tuple[str, str]) -> None:
    """Exit 2, before anybody is asked."""
    assert 2 == run("models", "browse", *flags).code
