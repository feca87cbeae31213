"""Builders of what a Roundhouse tells, with values that read well in a test.

Knows nothing about the in-memory management that hands them out.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from roundhouse.core.desks.browse import Offer, OfferedVariant
from roundhouse.core.desks.routes import CandidateView, Explanation, Factor, ProfileView, RefusalView
from roundhouse.core.ledger import AttemptRecord, UsageRecord
from roundhouse.core.views import BackendStatus, ModelDetail, ModelFile, TokenPrice, TransferView

#: When everything in here happened, unless somebody says otherwise.
NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def a_model(name: str = "acme/tiny:Q4_K_M", *, local: bool = True, loaded: bool = False) -> ModelDetail:
    """Build a model of the library, or one that only a remote backend has."""
    if not local:
        return ModelDetail(name=name, deployments=(f"cloud/{name}",), local=False, leaves_machine=True)
    return ModelDetail(
        name=name,
        source="hf",
        ref=f"hf:{name}",
        revision="0f3c2a9d",
        format="gguf",
        architecture="llama",
        quantization=name.rpartition(":")[2] if ":" in name else "F16",
        context=32_768,
        parameters=1_540_000_000,
        size=1_117_320_736,
        license="apache-2.0",
        created_at=NOON,
        loaded=loaded,
        deployments=(f"local/{name}",),
        local=True,
        files=(ModelFile("model.gguf", 1_117_320_736, "ab" * 32),),
    )


def a_backend(name: str = "local", *, ok: bool = True, loaded: tuple[str, ...] = ()) -> BackendStatus:
    """Build the embedded runtime, or a configured endpoint."""
    embedded = name == "local"
    return BackendStatus(
        name=name,
        kind="llamacpp" if embedded else "openai-compatible",
        url=None if embedded else f"https://{name}.example.com/v1",
        configured=not embedded,
        ok=ok,
        detail="llama.cpp in a child process" if embedded else "answers" if ok else "connection refused",
        latency_ms=0.4 if ok else None,
        deployments=1,
        loaded=loaded,
    )


def a_transfer(ref: str = "hf:acme/tiny:Q4_K_M", *, state: str = "downloading", done: int = 40) -> TransferView:
    """Build a transfer of a hundred megabytes, *done* percent of it on disk."""
    total = 100_000_000
    error = {"code": "E_VERIFY", "message": "the bytes are not the bytes that were promised", "hint": None}
    return TransferView(
        id="t-1",
        ref=ref,
        model=ref.removeprefix("hf:"),
        state=state,
        bytes_total=total,
        bytes_done=total * done // 100,
        rate=25_000_000.0 if state == "downloading" else None,
        eta_s=2.4 if state == "downloading" else None,
        error=error if state == "failed" else None,
        created_at=NOON,
        updated_at=NOON,
    )


def an_offer(name: str = "acme/tiny-GGUF", *, sizes: Sequence[int] = (1 << 30, 4 << 30, 16 << 30)) -> Offer:
    """Build a model of a hub whose variants take twice their size of memory, of which there are twelve gibibytes."""
    quantizations = ("Q4_K_M", "Q8_0", "F16")
    variants = tuple(
        OfferedVariant(quantization, f"hf:{name}:{quantization}", size, 2 * size, 2 * size <= 12 << 30)
        for quantization, size in zip(quantizations, sizes, strict=False)
    )
    return Offer(name, f"hf:{name}", "apache-2.0", False, 1234, 56, NOON, 32_768, variants[0].ref, variants)  # noqa: FBT003 (not gated)


def a_request(id: str = "r-1", *, model: str | None = "acme/tiny:Q4_K_M", outcome: str = "ok") -> UsageRecord:  # noqa: A002 - the field's word
    """Build the record of one request, answered by ``local`` unless it failed."""
    return UsageRecord(
        id=id,
        at=NOON,
        principal="local",
        operation="chat",
        requested="auto",
        model=model,
        backend="local" if model else None,
        prompt_tokens=412,
        completion_tokens=96,
        cached_tokens=0,
        cost_usd=0.0 if model else None,
        latency_ms=1_840.0,
        first_token_ms=212.0 if model else None,
        overhead_ms=0.3,
        stream=True,
        outcome=outcome,
        attempts=(AttemptRecord(f"local/{model or 'acme/tiny:Q4_K_M'}", outcome, 1_840.0),),
    )


def a_route(id: str = "r-1", *, chosen: str = "local/acme/tiny:Q4_K_M") -> Explanation:  # noqa: A002 - the field's word
    """Build a route with a first, a second, and one that was refused."""
    first = {
        "residency": Factor(1.0, 0.3, 30.0),
        "latency": Factor(0.8, 0.3, 24.0),
        "price": Factor(1.0, 0.2, 20.0),
        "errors": Factor(1.0, 0.1, 10.0),
        "load": Factor(0.9, 0.1, 9.0),
    }
    second = first | {"residency": Factor(0.5, 0.3, 15.0), "price": Factor(0.4, 0.2, 8.0)}
    return Explanation(
        route_id=id,
        profile=ProfileView(model="auto", operation="chat", needs=("chat",), prompt_tokens=412, max_tokens=256),
        chosen=chosen,
        candidates=(
            CandidateView(chosen, 1, 93.0, first, "loaded", TokenPrice(0.0, 0.0), 32_768),
            CandidateView("cloud/gpt-4o-mini", 2, 66.0, second, "unknown", TokenPrice(0.15, 0.6), 128_000),
        ),
        refused=(RefusalView("local/acme/embed:F16", "it cannot chat"),),
    )
