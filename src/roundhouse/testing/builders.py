"""Nouns with everything filled in, so that a test names only what it is about (`dataclasses.replace` does the rest)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256

from roundhouse.core.artifacts import Artifact, ArtifactFile, Digest, FileName, Transfer, TransferState
from roundhouse.core.ledger import AttemptRecord, UsageRecord

#: A moment with microseconds, because databases like to lose them.
NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def a_file(name: str = "model.gguf", size: int = 1024) -> ArtifactFile:
    """One file; its digest follows from its name."""
    return ArtifactFile(FileName(name), size, Digest(sha256(name.encode()).hexdigest()))


def an_artifact(model: str = "acme/tiny:Q4_K_M", *files: ArtifactFile) -> Artifact:
    """One runnable model, of one file unless told."""
    return Artifact(
        model=model,
        ref="hf:acme/tiny:Q4_K_M",
        source="hf",
        revision="0" * 40,
        files=files or (a_file(),),
        format="gguf",
        created_at=NOON,
        architecture="llama",
        quantization="Q4_K_M",
        context=4096,
        parameters=7_000_000_000,
        has_chat_template=True,
        license="apache-2.0",
    )


def a_transfer(transfer_id: str = "t1", *, after_s: float = 0.0) -> Transfer:
    """One transfer that is under way, begun *after_s* seconds after noon."""
    moment = NOON + timedelta(seconds=after_s)
    return Transfer(
        id=transfer_id,
        ref="hf:acme/tiny:Q4_K_M",
        state=TransferState.DOWNLOADING,
        created_at=moment,
        updated_at=moment,
        model="acme/tiny:Q4_K_M",
        bytes_total=1024,
        bytes_done=512,
        bandwidth=1 << 20,
        priority=2,
    )


def a_usage_record(record_id: str = "r1", *, after_s: float = 0.0) -> UsageRecord:
    """One request that went well at its second try, *after_s* seconds after noon."""
    return UsageRecord(
        id=record_id,
        at=NOON + timedelta(seconds=after_s),
        principal="local",
        operation="chat",
        requested="auto",
        model="acme/tiny:Q4_K_M",
        backend="local",
        prompt_tokens=11,
        completion_tokens=7,
        cached_tokens=3,
        cost_usd=0.25,
        latency_ms=12.5,
        first_token_ms=4.25,
        overhead_ms=0.5,
        stream=True,
        outcome="ok",
        attempts=(
            AttemptRecord("cloud/tiny", "E_BACKEND", 3.5),
            AttemptRecord("local/tiny", "ok", 8.5, 4.0, 2.0, cold=True, beside=3, held_ms=0.5),
        ),
    )
