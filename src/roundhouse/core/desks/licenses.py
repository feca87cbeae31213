"""Licences as people see them, and what may be asked about them. Knows nothing about HTTP or databases.

Field names are the keys of the JSON under ``/api/v1/licenses``. No postponed annotations: pydantic reads these types.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from roundhouse.core.artifacts import LicenseState


@dataclass(frozen=True, slots=True)
class AcceptanceView:
    """Somebody agreed."""

    principal: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseView:
    """The terms that models came under, or would come under."""

    #: What exactly is agreed to: the sha256 of the text, or of what stands for it where there is none.
    digest: str
    #: An SPDX id in lower case, or the hub's own word; ``None`` when nobody names one.
    license: str | None
    name: str | None = None
    url: str | None = None
    #: Who says so: ``hub``, ``registry``, ``folder``, ``header`` or ``bundled``.
    source: str | None = None
    text_sha256: str | None = None
    #: Whether it is in the way: ``needed`` until somebody agrees.
    state: LicenseState
    accepted: tuple[AcceptanceView, ...] = ()
    #: Models of the library that came under it.
    models: tuple[str, ...] = ()
    #: Where it was first met.
    ref: str | None = None
    revision: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseDetail(LicenseView):
    """Terms with their text."""

    text: str | None = None


class LicensesDesk(Protocol):
    """What models may be used under, and who agreed to it."""

    async def licenses(self) -> Sequence[LicenseView]:
        """List all that were met, by id."""

    async def license(self, key: str) -> LicenseDetail:
        """Show one by its digest (or eight digits of it), its model or its id. Raises NotFoundError, ConflictError."""

    async def accept_license(self, key: str, by: str) -> LicenseView:
        """Agree on behalf of *by*. Raises NotFoundError, ConflictError; PolicyError when it is refused here."""

    async def revoke_license(self, key: str, by: str) -> LicenseView:
        """Take the agreement of *by* back. Raises NotFoundError, ConflictError."""
