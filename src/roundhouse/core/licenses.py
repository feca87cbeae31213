"""Licences: what a model may be used under, and who accepted it. Knows nothing about hubs, files or databases.

Ids are SPDX ids in lower case, or a hub's own word where SPDX has none; SPDX compares without case.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from roundhouse.core.artifacts import Digest

#: Whether a licence is in somebody's way: nobody need agree, nobody names one, agreed, not yet agreed, not wanted here.
LicenseState = Literal["free", "unknown", "accepted", "needed", "refused"]


@dataclass(frozen=True, slots=True)
class Terms:
    """The words that somebody agrees to."""

    #: Of the text; where there is none, of what its name, its address and its model say instead.
    digest: Digest
    #: ``None`` when nobody says.
    license: str | None
    seen_at: datetime
    #: What its publisher calls it, and where it can be read.
    name: str | None = None
    url: str | None = None
    #: Who says so: ``hub``, ``registry``, ``folder``, ``header`` or ``bundled``.
    source: str | None = None
    #: The reference and the revision that it was first met at.
    ref: str | None = None
    revision: str | None = None
    text: str | None = None

    @property
    def text_sha256(self) -> Digest | None:
        """The digest of the text, if there is a text."""
        return None if self.text is None else self.digest


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Somebody agreed to some terms."""

    principal: str
    digest: Digest
    license: str | None
    at: datetime


class Licenses(Protocol):
    """The durable list of terms that were met, and of who agreed to which."""

    async def put_terms(self, terms: Terms) -> None:
        """Keep *terms*; known ones stay as they are, but for a text that they lacked."""

    async def terms(self) -> list[Terms]:
        """All of them, by digest."""

    async def accept(self, acceptance: Acceptance) -> None:
        """Write down that somebody agreed; the first time stays."""

    async def revoke(self, principal: str, digest: Digest) -> bool:
        """Take it back; whether there was something to take back."""

    async def acceptances(self) -> list[Acceptance]:
        """All of them, oldest first."""
