"""The terms that were met and who agreed to them: at hand without waiting, and written down before anybody is told.

Knows nothing about pulls or about what runs models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from roundhouse.core.artifacts import Acceptance, Artifact, Digest, LicenseState, Terms
from roundhouse.core.clock import Clock
from roundhouse.core.ports import Licenses
from roundhouse.library.admission import LicenseRules, Stance, normalized, terms_digest
from roundhouse.upkeep.references import origin


class LicenseBook:
    """What is known about licences, as of the last time it was looked up or changed here."""

    def __init__(self, store: Licenses, rules: LicenseRules, clock: Clock) -> None:
        self._store, self._rules, self._clock = store, rules, clock
        self._terms: Mapping[Digest, Terms] = MappingProxyType({})
        self._accepted: Mapping[Digest, tuple[Acceptance, ...]] = MappingProxyType({})

    async def refresh(self) -> None:
        """Look everything up again: another process may have written. Raises what the store raises."""
        terms, acceptances = await self._store.terms(), await self._store.acceptances()
        accepted: dict[Digest, tuple[Acceptance, ...]] = {}
        for each in acceptances:
            accepted[each.digest] = (*accepted.get(each.digest, ()), each)
        self._terms = MappingProxyType({each.digest: each for each in terms})
        self._accepted = MappingProxyType(accepted)

    @property
    def terms(self) -> Sequence[Terms]:
        """All terms that were met."""
        return tuple(self._terms.values())

    @property
    def agreed(self) -> Mapping[Digest, tuple[Acceptance, ...]]:
        """Who agreed to which terms; never changed, but replaced."""
        return self._accepted

    def find(self, digest: Digest) -> Terms | None:
        """The terms behind a digest, if they were met."""
        return self._terms.get(digest)

    def accepted_by(self, digest: Digest) -> Sequence[Acceptance]:
        """Who agreed to these terms, the earliest first."""
        return self._accepted.get(digest, ())

    def state_of(self, license_id: str | None, digest: Digest | None, principal: str | None = None) -> LicenseState:
        """Whether terms stand in the way of *principal*; of nobody in particular, if nobody is named."""
        stance = self._rules.stance_of(license_id)
        if stance is Stance.REFUSE:
            return "refused"
        if stance is Stance.ALLOW:
            return "free" if license_id is not None else "unknown"
        who = [each.principal for each in self.accepted_by(digest)] if digest else []
        return "accepted" if (who if principal is None else principal in who) else "needed"

    def of_artifact(self, artifact: Artifact) -> tuple[str | None, Digest]:
        """The licence of a model, and what exactly it stands for; also of one that came before there was a book."""
        if artifact.license_digest is not None:
            return artifact.license, artifact.license_digest
        license_id = normalized(artifact.license)
        return license_id, terms_digest(license_id, None, None, origin(artifact.ref))

    def bar(self, artifact: Artifact) -> str | None:
        """Why nobody may load a model: what follows its name in a sentence; ``None`` when nothing is in the way."""
        license_id, digest = self.of_artifact(artifact)
        called = license_id or "no licence"
        match self.state_of(license_id, digest):
            case "needed":
                return f"comes under {called}, which nobody here has accepted"
            case "refused":
                return f"comes under {called}, which is refused here"
            case _:
                return None

    async def remember(self, terms: Terms) -> None:
        """Keep terms that were met; durable when this returns."""
        known = self._terms.get(terms.digest)
        if known is None or (known.text is None and terms.text is not None):
            await self._store.put_terms(terms)
            kept = terms if known is None else replace(known, text=terms.text)
            self._terms = MappingProxyType({**self._terms, terms.digest: kept})

    async def accept(self, digest: Digest, license_id: str | None, principal: str) -> Acceptance:
        """Write down that *principal* agrees; durable when this returns. The first time stays."""
        known = next((each for each in self.accepted_by(digest) if each.principal == principal), None)
        if known is not None:
            return known
        acceptance = Acceptance(principal, digest, license_id, self._clock.now())
        await self._store.accept(acceptance)
        self._accepted = MappingProxyType({**self._accepted, digest: (*self.accepted_by(digest), acceptance)})
        return acceptance

    async def revoke(self, digest: Digest, principal: str) -> bool:
        """Take an agreement back; whether there was one."""
        gone = await self._store.revoke(principal, digest)
        left = tuple(each for each in self.accepted_by(digest) if each.principal != principal)
        self._accepted = MappingProxyType({**self._accepted, digest: left})
        return gone
