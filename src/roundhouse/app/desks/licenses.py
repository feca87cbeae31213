"""What models may be used under and who agreed to it, for the API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from roundhouse.app.rooms import Rooms
from roundhouse.core.artifacts import Artifact, Digest, Terms
from roundhouse.core.desks.licenses import AcceptanceView, LicenseDetail, LicenseView
from roundhouse.library.admission import find_license
from roundhouse.upkeep.admission import LicenseBook, license_refused


class Licenses:
    """The book of licences, with the models of the library."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    async def licenses(self) -> Sequence[LicenseView]:
        """List all that were met, by id."""
        return [_bare(each) for each in await self._known()]

    async def license(self, key: str) -> LicenseDetail:
        """Show one by its digest (or eight digits of it), its model or its id. Raises NotFoundError, ConflictError."""
        return find_license(key, await self._known())

    async def accept_license(self, key: str, by: str) -> LicenseView:
        """Agree on behalf of *by*. Raises NotFoundError, ConflictError; PolicyError when it is refused here."""
        found = await self.license(key)
        if found.state == "refused":
            raise license_refused(found.license)
        await self._rooms.licenses.accept(Digest(found.digest), found.license, by)
        return await self._changed(found)

    async def revoke_license(self, key: str, by: str) -> LicenseView:
        """Take the agreement of *by* back. Raises NotFoundError, ConflictError."""
        found = await self.license(key)
        await self._rooms.licenses.revoke(Digest(found.digest), by)
        return await self._changed(found)

    async def _changed(self, found: LicenseDetail) -> LicenseView:
        """Let routing know before anybody is answered."""
        await self._rooms.fleet.refresh()
        return _bare(_with_acceptances(found, self._rooms.licenses))

    async def _known(self) -> list[LicenseDetail]:
        book = self._rooms.licenses
        await book.refresh()
        known = {each.digest: _met(each) for each in book.terms}
        for artifact in await self._rooms.library.list():
            license_id, digest = book.of_artifact(artifact)
            view = known.get(digest) or _of_model(artifact, license_id, digest)
            known[digest] = replace(view, models=(*view.models, artifact.model))
        told = [_with_acceptances(each, book) for each in known.values()]
        return sorted(told, key=lambda each: (each.license is None, each.license or "", each.digest))


def _met(terms: Terms) -> LicenseDetail:
    return LicenseDetail(
        digest=terms.digest,
        license=terms.license,
        name=terms.name,
        url=terms.url,
        source=terms.source,
        text_sha256=terms.text_sha256,
        state="unknown",
        ref=terms.ref,
        revision=terms.revision,
        text=terms.text,
    )


def _of_model(artifact: Artifact, license_id: str | None, digest: Digest) -> LicenseDetail:
    return LicenseDetail(
        digest=digest,
        license=license_id,
        source=artifact.license_source,
        state="unknown",
        ref=artifact.ref,
        revision=artifact.revision,
    )


def _with_acceptances(view: LicenseDetail, book: LicenseBook) -> LicenseDetail:
    digest = Digest(view.digest)
    accepted = tuple(AcceptanceView(each.principal, each.at) for each in book.accepted_by(digest))
    return replace(view, state=book.state_of(view.license, digest), accepted=accepted)


def _bare(detail: LicenseDetail) -> LicenseView:
    return LicenseView(**{name: getattr(detail, name) for name in LicenseView.__slots__})
