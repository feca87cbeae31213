import pytest

from roundhouse.core.desks.licenses import LicenseView
from roundhouse.core.errors import ConflictError, NotFoundError
from roundhouse.library.admission import find_license

ONE = LicenseView(digest="1" * 64, license="gemma", state="needed", models=("a/b:Q4_0",))
TWO = LicenseView(digest="12" * 32, license="gemma", state="needed", models=("c/d",))
THREE = LicenseView(digest="3" * 64, license="llama3", state="needed")


@pytest.mark.parametrize(
    ("key", "found"),
    [("a/b:Q4_0", ONE), ("1" * 64, ONE), ("12121212", TWO), ("LLAMA3", THREE), (" llama3 ", THREE)],
)
def test_one_is_found(key: str, found: LicenseView) -> None:
    """By model, by the beginning of its digest, by id."""
    assert found == find_license(key, [ONE, TWO, THREE])


def test_an_id_with_two_texts_is_ambiguous() -> None:
    """The choices are digests that can be typed."""
    with pytest.raises(ConflictError) as caught:
        find_license("gemma", [ONE, TWO, THREE])
    assert ["1" * 12, "12" * 6] == caught.value.details["choices"]


@pytest.mark.parametrize("key", ["", "1", "1111111", "mit", "x/y"])
def test_what_is_not_there_is_not_found(key: str) -> None:
    """Seven digits are too few to mean anything."""
    with pytest.raises(NotFoundError):
        find_license(key, [ONE, TWO, THREE])
