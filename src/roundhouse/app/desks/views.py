"""Nouns of the rooms as the management API shows them. Pure translation."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from roundhouse.app.listing import Show
from roundhouse.core.artifacts import Artifact, Digest, Older, Transfer, TransferState
from roundhouse.core.desks.routes import CandidateView, Explanation, Factor, ProfileView, RefusalView
from roundhouse.core.inference import Deployment, Price, Profile, Residency
from roundhouse.core.marks import UNMARKED, Mark
from roundhouse.core.views import (
    ByteRange,
    DeploymentView,
    DiskUse,
    FileCheck,
    Model,
    ModelDetail,
    ModelFile,
    RevisionView,
    TokenPrice,
    TransferView,
    Verification,
)
from roundhouse.library import FileReport, VerifyReport
from roundhouse.library.admission import code_flags
from roundhouse.library.formats import GGUF
from roundhouse.routing.policy import Weights
from roundhouse.routing.route import Candidate, Refusal, Route
from roundhouse.routing.snapshot import Snapshot
from roundhouse.upkeep.admission import LicenseBook
from roundhouse.upkeep.progress import Progress

T = TypeVar("T")

_MILLION = 1_000_000
#: What people are shown of a deployment's traits.
_TRAITS = (
    *("context_max", "quantization", "parameters", "family", "format", "dimension", "slots"),
    *("memory", "vram", "size", "digest", "repo", "load_s", "warnings"),
)


def price(of: Price | None) -> TokenPrice | None:
    """USD per token as USD per million."""
    return None if of is None else TokenPrice(of.input_per_token * _MILLION, of.output_per_token * _MILLION)


def deployment(of: Deployment) -> DeploymentView:
    """One deployment."""
    return DeploymentView(
        id=of.id,
        backend=of.backend,
        upstream=of.upstream,
        capabilities=tuple(sorted(of.capabilities)),
        context=of.context,
        price=price(of.price),
        residency=of.residency,
        local=of.local,
        **{name: getattr(of.traits, name) for name in _TRAITS},
    )


def shown_under(book: LicenseBook) -> Show:
    """How models look, held or not, with the terms that *book* knows."""

    def show(
        name: str, artifact: Artifact | None, deployments: Sequence[Deployment], mark: Mark, aside: Collection[Digest]
    ) -> Model:
        if artifact is None:
            return remote(name, deployments, mark)
        license_id, digest = book.of_artifact(artifact)
        state = book.state_of(license_id, digest)
        return replace(held(artifact, deployments, mark, aside), license_digest=str(digest), license_state=state)

    return show


def held(
    artifact: Artifact,
    deployments: Sequence[Deployment],
    mark: Mark = UNMARKED,
    quarantined: Collection[Digest] = (),
) -> Model:
    """A model that the library holds, with those who serve it."""
    return Model(
        name=artifact.model,
        source=artifact.source,
        ref=artifact.ref,
        revision=artifact.revision,
        format=artifact.format,
        architecture=artifact.architecture,
        quantization=artifact.quantization,
        context=artifact.context,
        parameters=artifact.parameters,
        size=artifact.size,
        license=artifact.license,
        license_source=artifact.license_source,
        created_at=artifact.created_at,
        verified_at=artifact.verified_at,
        loaded=_loaded(deployments),
        deployments=tuple(each.id for each in deployments),
        local=True,
        pinned=mark.pinned,
        tags=tuple(map(str, mark.tags)),
        last_used_at=mark.last_used_at,
        times_used=mark.times_used,
        unserved=None if deployments or artifact.format == GGUF else f"held; no backend here serves {artifact.format}",
        quarantined=any(file.digest in quarantined for file in artifact.files),
        **_offered(deployments),
    )


def remote(name: str, deployments: Sequence[Deployment], mark: Mark = UNMARKED) -> Model:
    """A model that only backends have."""
    return Model(
        name=name,
        source=deployments[0].backend,
        architecture=_agreed([each.traits.family for each in deployments]),
        quantization=_agreed([each.traits.quantization for each in deployments]),
        parameters=_agreed([each.traits.parameters for each in deployments]),
        context=deployments[0].context,
        loaded=_loaded(deployments),
        deployments=tuple(each.id for each in deployments),
        local=False,
        last_used_at=mark.last_used_at,
        times_used=mark.times_used,
        **_offered(deployments),
    )


def detail(
    model: Model, artifact: Artifact | None, deployments: Sequence[Deployment], disk: DiskUse | None = None
) -> ModelDetail:
    """A model with its files and deployments."""
    files = artifact.files if artifact else ()
    return ModelDetail(
        **{name: getattr(model, name) for name in Model.__slots__},
        files=tuple(ModelFile(file.name, file.size, file.digest) for file in files),
        served_by=tuple(deployment(each) for each in deployments),
        code=() if artifact is None else _code(artifact),
        disk=disk,
    )


def _code(artifact: Artifact) -> tuple[str, ...]:
    return code_flags([file.name for file in artifact.files], chat_template=artifact.has_chat_template)


def revisions(served: Artifact, older: Sequence[Older]) -> tuple[RevisionView, ...]:
    """The revisions of one model that are here."""
    kept = [(each.artifact, each.served_until) for each in older]
    return tuple(
        RevisionView(each.revision, each.key, each.size, each.created_at, until is None, until)
        for each, until in [(served, None), *kept]
    )


def verification(report: VerifyReport) -> Verification:
    """What looking at a model's bytes showed."""
    files, seal = tuple(map(_check, report.files)), report.seal
    told = report.signature_problem or seal.notice
    return Verification(report.model, report.ok, files, report.duration_ms, report.quick, seal.signed_by, told)


def _check(file: FileReport) -> FileCheck:
    return FileCheck(
        name=file.name,
        size=file.size,
        digest=file.digest,
        ok=file.ok,
        actual=file.actual,
        problem=file.problem,
        damaged=tuple(ByteRange(each.offset, each.length) for each in file.damaged),
    )


def explanation(route_id: str, profile: Profile, route: Route, snapshot: Snapshot) -> Explanation:
    """A decision with its reasons; *snapshot* knows why others answer for the name."""

    def whose(deployment_id: str) -> str | None:
        return snapshot.whose(profile.model, deployment_id)

    candidates = route.candidates
    return Explanation(
        route_id=route_id,
        profile=ProfileView(
            model=profile.model,
            operation=profile.operation,
            needs=tuple(sorted(profile.needs)),
            prompt_tokens=profile.prompt_tokens,
            max_tokens=profile.max_tokens,
        ),
        chosen=candidates[0].id if candidates else None,
        candidates=tuple(
            _candidate(rank, each, route.weights, whose(each.id)) for rank, each in enumerate(candidates, start=1)
        ),
        refused=tuple(RefusalView(each.id, _reason(each, whose(each.id))) for each in route.refused),
        error=None if route.error is None else route.error.to_dict(),
    )


def _reason(refusal: Refusal, joined: str | None) -> str:
    return refusal.reason if joined is None else f"{refusal.reason} ({joined})"


def _candidate(rank: int, candidate: Candidate, weights: Weights, joined: str | None) -> CandidateView:
    of = candidate.deployment
    return CandidateView(
        id=candidate.id,
        rank=rank,
        score=candidate.score,
        factors={each.name: Factor(each.value, each.weight, each.points) for each in candidate.factors(weights)},
        residency=of.residency,
        price=price(of.price),
        context=of.context,
        joined=joined,
    )


def _offered(deployments: Sequence[Deployment]) -> dict[str, Any]:
    """What those who serve a model do together."""
    traits = [each.traits for each in deployments]
    slots = [each.slots for each in traits if each.slots is not None]
    as_it_is = not any(each.extras for each in traits)
    return {
        "capabilities": tuple(sorted({capability.value for each in deployments for capability in each.capabilities})),
        "passed_on": bool(traits) and all(each.is_passed_on for each in traits),
        "leaves_machine": not all(each.local for each in deployments),
        "served_context": max((each.context for each in deployments if each.context is not None), default=None),
        "slots": sum(slots) if slots and len(slots) == len(traits) else None,
        "dimension": _agreed([each.dimension for each in traits]),
        "digest": _agreed([each.digest for each in traits]) if as_it_is else None,
        "repo": _agreed([each.repo for each in traits]) if as_it_is else None,
    }


def _agreed(told: Sequence[T | None]) -> T | None:
    """What all of them say; ``None`` when one of them says nothing, or something else."""
    return told[0] if told and all(each == told[0] for each in told) else None


def _loaded(deployments: Sequence[Deployment]) -> bool:
    return any(each.residency is Residency.LOADED for each in deployments)


def transfer_view(progress: Progress) -> TransferView:
    """A transfer, and how it moves."""
    transfer = progress.transfer
    return TransferView(
        id=transfer.id,
        ref=transfer.ref,
        model=transfer.model,
        state=transfer.state,
        bytes_total=transfer.bytes_total,
        bytes_done=transfer.bytes_done,
        rate=progress.rate,
        eta_s=progress.eta_s,
        error=transfer.error,
        created_at=transfer.created_at,
        updated_at=transfer.updated_at,
        bandwidth=transfer.bandwidth,
        priority=transfer.priority,
        bytes_verified=transfer.bytes_done if progress.verified is None else progress.verified,
        waiting=_waiting(transfer),
    )


def _waiting(transfer: Transfer) -> str | None:
    """Why a transfer does not move, in words; ``None`` when it does or is over."""
    if transfer.state.over:
        return None
    if transfer.error is not None:
        retry_s = transfer.error.get("retry_in_s")
        again = "" if retry_s is None else f"; tried again in {retry_s} s"
        return f"{transfer.error.get('message')}{again}"
    if transfer.state is TransferState.PAUSED:
        return "paused until it is resumed"
    return "its turn has not come" if transfer.state is TransferState.QUEUED else None
