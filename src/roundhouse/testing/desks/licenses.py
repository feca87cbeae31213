"""Licences in a Roundhouse in memory: those of its models, and those that a test wants to be agreed to."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from roundhouse.core.desks.licenses import AcceptanceView, LicenseDetail, LicenseView
from roundhouse.core.errors import LicenseError
from roundhouse.core.views import ModelDetail
from roundhouse.library.admission import LicenseRules, Stance, find_license, terms_digest

_THEN = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def a_license(license_id: str = "gemma", *, ref: str = "hf:acme/tiny:Q4_K_M") -> LicenseDetail:
    """Build terms that have to be agreed to before *ref* may come in."""
    return LicenseDetail(
        digest="9e" * 32,
        license=license_id,
        url=f"https://hub.example.com/{license_id}",
        source="hub",
        text_sha256="9e" * 32,
        state="needed",
        ref=ref,
        revision="0f3c2a9d",
        text="Be kind.",
    )


@dataclass
class InMemoryLicenses:
    """The desk of licences; change the lists as a test needs."""

    catalog: list[ModelDetail] = field(default_factory=list)
    #: Terms beside those of the models.
    terms: list[LicenseDetail] = field(default_factory=list)
    #: By digest.
    acceptances: dict[str, tuple[AcceptanceView, ...]] = field(default_factory=dict)

    async def licenses(self) -> Sequence[LicenseView]:
        """List all of them, by id."""
        return [LicenseView(**{name: getattr(each, name) for name in LicenseView.__slots__}) for each in self._known()]

    async def license(self, key: str) -> LicenseDetail:
        """Show one. Raises NotFoundError, ConflictError."""
        return find_license(key, self._known())

    async def accept_license(self, key: str, by: str) -> LicenseView:
        """Agree. Raises NotFoundError, ConflictError."""
        digest = (await self.license(key)).digest
        given = self.acceptances.get(digest, ())
        if by not in {each.principal for each in given}:
            self.acceptances[digest] = (*given, AcceptanceView(by, _THEN))
        return await self._bare(digest)

    async def revoke_license(self, key: str, by: str) -> LicenseView:
        """Take it back. Raises NotFoundError, ConflictError."""
        digest = (await self.license(key)).digest
        left = tuple(each for each in self.acceptances.get(digest, ()) if each.principal != by)
        self.acceptances[digest] = left
        return await self._bare(digest)

    def refuse_unaccepted(self, ref: str) -> None:
        """Raise LicenseError when *ref* comes under terms that nobody agreed to."""
        for each in self._known():
            if each.ref == ref and each.state == "needed":
                details = {"license": each.license, "digest": each.digest, "url": each.url, "name": each.name}
                message = f"{ref} comes under {each.license}, which you have not accepted"
                raise LicenseError(message, hint="roundhouse licenses accept it", details={**details})

    async def _bare(self, digest: str) -> LicenseView:
        return next(each for each in await self.licenses() if each.digest == digest)

    def _known(self) -> list[LicenseDetail]:
        known = {each.digest: each for each in self.terms}
        for model in self.catalog:
            if model.local:
                digest = terms_digest(model.license, None, None, model.name)
                plain = LicenseDetail(digest=digest, license=model.license, state="unknown", ref=model.ref)
                view = known.get(digest, plain)
                known[digest] = replace(view, models=(*view.models, model.name))
        told = [self._stated(each) for each in known.values()]
        return sorted(told, key=lambda each: (each.license is None, each.license or "", each.digest))

    def _stated(self, view: LicenseDetail) -> LicenseDetail:
        accepted = self.acceptances.get(view.digest, ())
        asks = LicenseRules().stance_of(view.license) is Stance.ASK
        state = "unknown" if view.license is None else "free" if not asks else "accepted" if accepted else "needed"
        return replace(view, accepted=accepted, state=state)  # type: ignore[arg-type]  # one of its words
