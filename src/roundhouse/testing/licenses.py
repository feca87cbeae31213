"""The port `Licenses` in plain dictionaries. `tests/contract/` runs one suite over it and over the databases."""

from __future__ import annotations

from dataclasses import replace

from roundhouse.core.artifacts import Acceptance, Digest, Terms


class MemoryLicenses:
    """Terms and acceptances that are forgotten at the end."""

    def __init__(self) -> None:
        self._terms: dict[Digest, Terms] = {}
        self._acceptances: dict[tuple[str, Digest], Acceptance] = {}

    async def put_terms(self, terms: Terms) -> None:
        """Keep *terms*; known ones stay as they are, but for a text that they lacked."""
        known = self._terms.setdefault(terms.digest, terms)
        if known.text is None:
            self._terms[terms.digest] = replace(known, text=terms.text)

    async def terms(self) -> list[Terms]:
        """All of them, by digest."""
        return [self._terms[digest] for digest in sorted(self._terms)]

    async def accept(self, acceptance: Acceptance) -> None:
        """Write down that somebody agreed; the first time stays."""
        self._acceptances.setdefault((acceptance.principal, acceptance.digest), acceptance)

    async def revoke(self, principal: str, digest: Digest) -> bool:
        """Take it back; whether there was something to take back."""
        return self._acceptances.pop((principal, digest), None) is not None

    async def acceptances(self) -> list[Acceptance]:
        """All of them, oldest first."""
        return sorted(self._acceptances.values(), key=lambda each: (each.at, each.principal, each.digest))
