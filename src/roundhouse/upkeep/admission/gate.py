"""The gate before a pull: rules and licences, checked when it is planned and again before its bytes.

Knows nothing about transfers. A licence's text is read through the model's own source, at the plan's revision.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from roundhouse.core.artifacts import Digest, LicenseState, Plan, PlannedFile, Terms
from roundhouse.core.clock import Clock
from roundhouse.core.errors import NetworkError, SchemaError, VerifyError
from roundhouse.core.ports import Source
from roundhouse.library.admission import PolicyRules, recognized, terms_digest
from roundhouse.library.admission.licenses import OTHER, together
from roundhouse.upkeep.admission.book import LicenseBook
from roundhouse.upkeep.admission.refusals import license_needed, license_refused
from roundhouse.upkeep.references import origin

#: A licence is some kilobytes; a model has one, and perhaps a policy of use beside it.
_TEXT_BYTES, _MOST_TEXTS, _TEXT_S = 1 << 20, 8, 15.0


class Gate(Protocol):
    """What every pull has to pass."""

    def check_owner(self, ref: str) -> None:
        """Let pass a reference, before its source is asked. Raises PolicyError."""

    async def read(self, plan: Plan, source: Source) -> Plan:
        """Complete *plan* with the terms that it comes under. Raises PolicyError, and what the source raises."""

    def state(self, plan: Plan, principal: str | None) -> LicenseState:
        """Whether the terms of a plan that was read stand in the way of *principal*."""

    def check(self, plan: Plan, principal: str | None) -> None:
        """Let pass a plan that was read. Raises PolicyError, LicenseError."""


class OpenGate:
    """Lets everything in: for who has no rules."""

    def check_owner(self, ref: str) -> None:
        """Say nothing."""

    async def read(self, plan: Plan, source: Source) -> Plan:  # noqa: ARG002 (the protocol's)
        """Leave *plan* as it is."""
        return plan

    def state(self, plan: Plan, principal: str | None) -> LicenseState:  # noqa: ARG002 (the protocol's)
        """Tell that nothing is known."""
        return "unknown"

    def check(self, plan: Plan, principal: str | None) -> None:
        """Say nothing."""


class Admission:
    """The rules of an administrator, and the book of licences."""

    def __init__(self, rules: PolicyRules, book: LicenseBook, clock: Clock) -> None:
        self._rules, self._book, self._clock = rules, book, clock

    def check_owner(self, ref: str) -> None:
        """Let pass a reference by whose it is. Raises PolicyError."""
        self._rules.check_owner(ref)

    async def read(self, plan: Plan, source: Source) -> Plan:
        """Complete *plan* with the terms that it comes under, and remember them.

        Raises PolicyError, SchemaError, VerifyError, and what the source raises.
        """
        self._rules.check(plan)
        if len(plan.license_files) > _MOST_TEXTS:
            message = f"{plan.model} comes with {len(plan.license_files)} files of licences"
            raise SchemaError(message)
        texts = [await _read(file, source) for file in plan.license_files]
        terms = self._terms(plan, texts)
        if terms.license is not None:
            await self._book.remember(terms)
        return replace(plan, license=terms.license, license_digest=terms.digest)

    def state(self, plan: Plan, principal: str | None) -> LicenseState:
        """Whether the terms of a plan that was read stand in the way of *principal*."""
        return self._book.state_of(plan.license, plan.license_digest, principal)

    def check(self, plan: Plan, principal: str | None) -> None:
        """Let pass a plan that was read. Raises PolicyError, LicenseError."""
        self._rules.check(plan)
        if plan.source == "bundled":  # it came with the program, and whether it may be loaded is asked elsewhere
            return
        match self.state(plan, principal):
            case "refused":
                raise license_refused(plan.license)
            case "needed":
                raise license_needed(plan)
            case _:
                return

    def _terms(self, plan: Plan, texts: Sequence[bytes]) -> Terms:
        whole = b"\n\n".join(texts)
        license_id = _license_of(plan, texts)
        digest = (
            Digest(hashlib.sha256(whole).hexdigest())
            if texts
            else terms_digest(license_id, plan.license_name, plan.license_url, origin(plan.ref))
        )
        return Terms(
            digest=digest,
            license=license_id,
            seen_at=self._clock.now(),
            name=plan.license_name,
            url=plan.license_url,
            source=plan.license_source,
            ref=plan.ref,
            revision=plan.revision,
            text=_shown(whole) if texts else None,
        )


def _license_of(plan: Plan, texts: Sequence[bytes]) -> str | None:
    """What the source says; where the text is plainly another licence, or there is only a text, that one, too."""
    read = [recognized(_shown(text)) for text in texts]
    if plan.license is None:
        return together(read)
    contrary = [each for each in read if each not in {OTHER, *plan.license.split(" and ")}]
    return together([*plan.license.split(" and "), *contrary])


def _shown(text: bytes) -> str:
    # PostgreSQL has no NUL in a text.
    return text.decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


async def _read(file: PlannedFile, source: Source) -> bytes:
    """All of a small file. Raises SchemaError, VerifyError, NetworkError, and what the source raises."""
    text = bytearray()
    try:
        async with asyncio.timeout(_TEXT_S), source.open(file, 0) as stream:
            async for piece in stream.chunks:
                text += piece
                if len(text) > _TEXT_BYTES:
                    message = f"{file.name} is too long for the text of a licence"
                    raise SchemaError(message)
    except TimeoutError as error:
        message = f"{file.name}: the source stopped in the middle of the licence"
        raise NetworkError(message) from error
    if file.digest is not None and hashlib.sha256(text).hexdigest() != file.digest:
        message = f"{file.name} is not the text that was promised"
        raise VerifyError(message, hint="try again, and distrust the source if it happens again")
    return bytes(text)
