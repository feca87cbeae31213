import pytest
from tests.unit.cli.conftest import Run

from roundhouse.testing.management import FakeServer
from roundhouse.testing.management_service import a_backend


@pytest.fixture
def box(server: FakeServer) -> FakeServer:
    """A house with a backend that has a store of its own."""
    server.management.runtimes = [a_backend(), a_backend("box")]
    return server


def test_pull_copy_and_delete(run: Run, box: FakeServer) -> None:
    """Each says what is where now."""
    assert [["fetched"], ["box/tiny"]] == run("backends", "pull", "box", "tiny").rows
    assert [["copied to"], ["box/mine"]] == run("backends", "copy", "box", "tiny", "mine").rows
    assert [["deleted"], ["box/tiny"]] == run("backends", "delete", "box", "tiny").rows
    assert {"mine"} == box.management.kept["box"]


@pytest.mark.usefixtures("box")
def test_a_pull_that_breaks_off_is_an_error(run: Run) -> None:
    """Also when it had begun."""
    outcome = run("backends", "pull", "box", "broken")
    assert (9, True) == (outcome.code, "fallen silent" in outcome.err)


@pytest.mark.usefixtures("box")
@pytest.mark.parametrize(("name", "code"), [("nobody", 3), ("local", 1)])
def test_a_pull_where_there_is_no_store(run: Run, name: str, code: int) -> None:
    """Its own status, before anything begins."""
    assert code == run("backends", "pull", name, "tiny").code


@pytest.mark.usefixtures("box")
def test_what_is_not_there_cannot_be_deleted(run: Run) -> None:
    """Not found."""
    assert 3 == run("backends", "delete", "box", "none").code
