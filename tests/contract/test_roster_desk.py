"""What every `Management` promises about who serves and what is in memory. A house under test serves `NAME`."""

import pytest

from roundhouse.core.errors import ConflictError, NotFoundError
from roundhouse.core.management import Management

NAME = "roundhouse/noise"
#: Nobody listens there.
SILENT = {"kind": "openai-compatible", "url": "http://127.0.0.1:9"}


async def names(management: Management) -> set[str]:
    """All backends."""
    return {each.name for each in await management.backends()}


async def test_one_that_is_added_is_there_until_it_is_removed(management: Management) -> None:
    """Also when it does not answer."""
    added = await management.add_backend("box", SILENT)
    assert ("box", "openai-compatible", True, True) == (added.name, added.kind, added.configured, added.added)
    assert "box" in await names(management)
    assert (await management.remove_backend("box")).name == "box"
    assert "box" not in await names(management)


async def test_a_name_is_given_once(management: Management) -> None:
    """The first stays."""
    await management.add_backend("box", SILENT)
    with pytest.raises(ConflictError):
        await management.add_backend("box", SILENT)
    assert "box" in await names(management)


async def test_only_what_was_added_can_be_removed(management: Management) -> None:
    """Our own runtime stays, and nobody is not there."""
    with pytest.raises(ConflictError):
        await management.remove_backend("local")
    with pytest.raises(NotFoundError):
        await management.remove_backend("nobody")
    assert "local" in await names(management)


async def test_a_model_is_brought_into_memory_and_let_go_of(management: Management) -> None:
    """Loading says where; unloading what is gone, and the second time that nothing was there."""
    loaded = await management.load_model(NAME)
    assert (f"local/{NAME}", True) == (loaded.deployment, loaded.loaded)
    assert NAME in {each for backend in await management.backends() for each in backend.loaded}
    assert [f"local/{NAME}"] == [each.deployment for each in await management.unload_model(f"local/{NAME}")]
    assert () == await management.unload_model(NAME)


async def test_what_nobody_serves_cannot_be_loaded(management: Management) -> None:
    """Nor unloaded."""
    with pytest.raises(NotFoundError):
        await management.load_model("nobody")
    with pytest.raises(NotFoundError):
        await management.unload_model("nobody")
