"""The port `Licenses`: one suite over the fake and over both databases."""

from dataclasses import replace
from datetime import timedelta

import pytest

from roundhouse.core.artifacts import Acceptance, Digest, Terms
from roundhouse.core.ports import Licenses
from roundhouse.storage.database import Database
from roundhouse.storage.licenses import SqlLicenses
from roundhouse.testing.builders import NOON
from roundhouse.testing.licenses import MemoryLicenses

FIRST, SECOND = Digest("1" * 64), Digest("2" * 64)


@pytest.fixture
def licenses(database: Database | None) -> Licenses:
    """Each of them, empty."""
    return MemoryLicenses() if database is None else SqlLicenses(database)


async def test_terms_come_back_whole(licenses: Licenses) -> None:
    """With what is known of them, and without what is not."""
    bare = Terms(SECOND, None, NOON)
    full = Terms(FIRST, "gemma", NOON, "Gemma", "https://x", "hub", "hf:a/b", "c0ffee", "Gemma Terms of Use\n☃")
    for each in (bare, full):
        await licenses.put_terms(each)
    assert [full, bare] == await licenses.terms()
    assert [FIRST, None] == [each.text_sha256 for each in await licenses.terms()]


async def test_known_terms_stay_as_they_are(licenses: Licenses) -> None:
    """But for a text that was not there before."""
    first = Terms(FIRST, "gemma", NOON, ref="hf:a/b")
    await licenses.put_terms(first)
    await licenses.put_terms(replace(first, ref="hf:c/d", text="the text"))
    await licenses.put_terms(replace(first, text="another text"))
    assert [replace(first, text="the text")] == await licenses.terms()


async def test_the_first_acceptance_stays(licenses: Licenses) -> None:
    """Agreeing again changes nothing: the time is when it was first true."""
    first = Acceptance("ada", FIRST, "gemma", NOON)
    for each in (first, replace(first, at=NOON + timedelta(days=1))):
        await licenses.accept(each)
    assert [first] == await licenses.acceptances()


async def test_everybody_accepts_for_themselves(licenses: Licenses) -> None:
    """Oldest first, by name where they are of one moment."""
    who = [("B", FIRST, 0), ("ada", FIRST, 0), ("ada", SECOND, 1)]
    given = [Acceptance(name, digest, "gemma", NOON + timedelta(seconds=after)) for name, digest, after in who]
    for each in reversed(given):
        await licenses.accept(each)
    assert given == await licenses.acceptances()


async def test_an_acceptance_can_be_taken_back_once(licenses: Licenses) -> None:
    """Only one's own, and only for those terms."""
    mine, theirs = Acceptance("ada", FIRST, "gemma", NOON), Acceptance("bob", FIRST, "gemma", NOON)
    for each in (mine, theirs):
        await licenses.accept(each)
    told = [await licenses.revoke("ada", digest) for digest in (SECOND, FIRST, FIRST)]
    assert ([False, True, False], [theirs]) == (told, await licenses.acceptances())
