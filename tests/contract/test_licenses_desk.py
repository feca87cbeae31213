"""What every `LicensesDesk` promises: the fake and the real house on both databases."""

import pytest
from tests.contract.conftest import NAME

from roundhouse.core.errors import NotFoundError
from roundhouse.core.management import Management


async def test_the_licenses_of_models_are_listed(management: Management) -> None:
    """With the models that came under them; a permissive one is in nobody's way."""
    (listed,) = [each for each in await management.licenses() if NAME in each.models]
    assert ("apache-2.0", "free", ()) == (listed.license, listed.state, listed.accepted)


async def test_one_is_found_by_its_model_its_id_and_its_digest(management: Management) -> None:
    """Whatever is at hand."""
    shown = await management.license(NAME)
    for key in (shown.digest, shown.digest[:8], f"sha256:{shown.digest}", "Apache-2.0"):
        assert shown == await management.license(key)


async def test_agreeing_is_remembered_with_name_and_time(management: Management) -> None:
    """Once per person; the first time stays."""
    first = await management.accept_license(NAME, "ada")
    again = await management.accept_license("apache-2.0", "ada")
    both = await management.accept_license(NAME, "bob")
    assert [first.accepted, ["ada", "bob"]] == [again.accepted, [each.principal for each in both.accepted]]
    assert both.accepted == (await management.license(NAME)).accepted


async def test_everybody_takes_back_only_their_own(management: Management) -> None:
    """Taking back what was never given changes nothing."""
    for name in ("ada", "bob"):
        await management.accept_license(NAME, name)
    for _ in range(2):
        left = await management.revoke_license(NAME, "ada")
        assert ["bob"] == [each.principal for each in left.accepted]


@pytest.mark.parametrize("key", ["nobody", "", "0" * 64, "\N{SNOWMAN}", "a/b:c", "deadbeef"])
async def test_an_unknown_license(management: Management, key: str) -> None:
    """Is not found, whatever is asked of it."""
    for attempt in (
        management.license(key),
        management.accept_license(key, "ada"),
        management.revoke_license(key, "ada"),
    ):
        with pytest.raises(NotFoundError):
            await attempt
