"""What every `Management` promises about what stays and what may go."""

import pytest
from tests.contract.conftest import NAME

from roundhouse.core.desks.keeping import CollectionWish
from roundhouse.core.errors import NotFoundError, SchemaError
from roundhouse.core.management import Management

EVERYTHING = CollectionWish(unused_for_s=0, min_free=0, include_local=True)


async def test_pins_are_told_and_shown(management: Management) -> None:
    """In the answer, in the list and in the details."""
    for pinned in (True, False):
        answered = await management.pin_model(NAME, pinned=pinned)
        (listed,) = await management.models()
        assert pinned == answered.pinned == listed.pinned == (await management.model(NAME)).pinned


async def test_tags_are_told_and_shown(management: Management) -> None:
    """Lower case, by name; what is put on and taken off at once is on."""
    await management.tag_model(NAME, ["old", "Fast"], [])
    answered = await management.tag_model(NAME, ["new"], ["old", "new"])
    (listed,) = await management.models()
    assert ("fast", "new") == answered.tags == listed.tags == (await management.model(NAME)).tags


async def test_nonsense_is_no_tag(management: Management) -> None:
    """And nothing is tagged then."""
    with pytest.raises(SchemaError, match="not a tag"):
        await management.tag_model(NAME, ["good", "no good"], [])
    assert () == (await management.model(NAME)).tags


async def test_unknown_names(management: Management) -> None:
    """Nothing can be said about what is not there."""
    with pytest.raises(NotFoundError):
        await management.pin_model("nobody", pinned=True)
    with pytest.raises(NotFoundError):
        await management.tag_model("nobody", ["fast"], [])


async def test_what_was_never_used(management: Management) -> None:
    """A model begins without a last use."""
    shown = await management.model(NAME)
    assert (None, 0) == (shown.last_used_at, shown.times_used)


async def test_a_dry_run_tells_exactly_what_happens(management: Management) -> None:
    """First the promise, then the deed, then the model is gone."""
    (size,) = [model.size for model in await management.models()]
    promised = await management.collect(CollectionWish(True, 0, None, 0, include_local=True))  # noqa: FBT003 - dry
    assert [NAME] == [model.name for model in await management.models()]
    done = await management.collect(EVERYTHING)
    assert [(NAME, True, size)] == [(each.model, each.removed, each.bytes_freed) for each in done.models]
    assert (promised.models, promised.bytes_freed, promised.dry_run) == (done.models, done.bytes_freed, True)
    assert NAME not in {model.name for model in await management.models() if model.local}


async def test_pinned_ones_stay(management: Management) -> None:
    """Whatever is asked."""
    await management.pin_model(NAME, pinned=True)
    (judged,) = (await management.collect(EVERYTHING)).models
    assert (judged.removed, judged.reason, judged.bytes_freed) == (False, "pinned", 0)


async def test_orphans_only(management: Management) -> None:
    """No model goes, and in a house that is in order nothing does."""
    done = await management.collect(CollectionWish(unused_for_s=0, orphans_only=True, include_local=True))
    assert ((), 0) == (done.models, done.bytes_freed)
    assert [NAME] == [model.name for model in await management.models()]
