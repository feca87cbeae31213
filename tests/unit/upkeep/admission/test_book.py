from dataclasses import replace

from roundhouse.core.artifacts import Digest, Terms
from roundhouse.library.admission import LicenseRules, Stance
from roundhouse.testing.builders import NOON, an_artifact
from roundhouse.testing.clock import FakeClock
from roundhouse.testing.licenses import MemoryLicenses
from roundhouse.upkeep.admission import LicenseBook

DIGEST = Digest("1" * 64)
LLAMA = replace(an_artifact("m"), license="llama3", license_digest=DIGEST)


def a_book(store: MemoryLicenses | None = None, rules: LicenseRules | None = None) -> LicenseBook:
    """Build one over *store*."""
    return LicenseBook(store or MemoryLicenses(), rules or LicenseRules(), FakeClock())


async def test_a_model_is_barred_until_somebody_agrees() -> None:
    """And again when the last one takes it back."""
    book = a_book()
    before = book.bar(LLAMA)
    await book.accept(DIGEST, "llama3", "ada")
    between = book.bar(LLAMA)
    assert await book.revoke(DIGEST, "ada")
    assert ("comes under llama3, which nobody here has accepted", None, before) == (before, between, book.bar(LLAMA))


async def test_a_refused_license_bars_for_good() -> None:
    """Whoever agreed before the rule was made."""
    book = a_book(rules=LicenseRules(refuse=["llama*"]))
    await book.accept(DIGEST, "llama3", "ada")
    assert "refused" in (book.bar(LLAMA) or "")


def test_permissive_and_unknown_licenses_bar_nothing() -> None:
    """Unless the rules ask about the unknown."""
    free, unknown = (replace(LLAMA, license=each) for each in ("mit", None))
    assert [None, None] == [a_book().bar(each) for each in (free, unknown)]
    assert a_book(rules=LicenseRules(unknown=Stance.ASK)).bar(unknown) is not None


async def test_a_model_from_before_the_book_has_terms_too() -> None:
    """The word that was written down then, as an id."""
    old = replace(LLAMA, license="Llama 3", license_digest=None)
    book = a_book()
    license_id, digest = book.of_artifact(old)
    await book.accept(digest, license_id, "ada")
    assert ("llama3", None) == (license_id, book.bar(old))


async def test_another_process_is_heard_of_after_a_look() -> None:
    """The store is shared."""
    store = MemoryLicenses()
    book, other = a_book(store), a_book(store)
    await other.remember(Terms(DIGEST, "llama3", NOON, text="words"))
    await other.accept(DIGEST, "llama3", "bob")
    assert (None, []) == (book.find(DIGEST), list(book.accepted_by(DIGEST)))
    await book.refresh()
    assert (other.terms, other.accepted_by(DIGEST)) == (book.terms, book.accepted_by(DIGEST))


async def test_agreeing_twice_is_agreeing_once() -> None:
    """The first time stays."""
    book = a_book()
    assert await book.accept(DIGEST, "llama3", "ada") == await book.accept(DIGEST, "llama3", "ada")
    assert 1 == len(book.accepted_by(DIGEST))


async def test_a_text_is_added_to_terms_that_lacked_it() -> None:
    """And nothing else is changed."""
    book = a_book()
    for text in (None, "words", "other words"):
        await book.remember(Terms(DIGEST, "llama3", NOON, text=text))
    assert ["words"] == [each.text for each in book.terms]
