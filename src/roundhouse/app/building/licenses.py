"""The rules of admission as the settings want them, and the book of licences over the database."""

from __future__ import annotations

from roundhouse.core.clock import Clock
from roundhouse.library.admission import LicenseRules, PolicyRules, Stance
from roundhouse.settings import Settings
from roundhouse.storage.database import Database
from roundhouse.storage.licenses import SqlLicenses
from roundhouse.upkeep.admission import Admission, LicenseBook


async def build_book(settings: Settings, database: Database, clock: Clock) -> LicenseBook:
    """Open the book, with what it holds at hand. Raises what the database raises."""
    wishes = settings.library.licenses
    rules = LicenseRules(wishes.accept, wishes.ask, wishes.refuse, Stance(wishes.unknown))
    book = LicenseBook(SqlLicenses(database), rules, clock)
    await book.refresh()
    return book


def build_gate(settings: Settings, book: LicenseBook, clock: Clock) -> Admission:
    """Make the gate that every pull passes."""
    return Admission(rules_of(settings), book, clock)


def rules_of(settings: Settings) -> PolicyRules:
    """Who and what may come in."""
    wishes = settings.library
    return PolicyRules(wishes.allowed_owners, wishes.blocked_owners, wishes.formats, wishes.max_file_size or None)
