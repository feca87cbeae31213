"""What the inner rooms ask of the outside world. Adapters on floor 4 answer; ``app.py`` introduces them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from roundhouse.core.artifacts import (
    Acceptance,
    Artifact,
    Digest,
    Fingerprint,
    Older,
    Plan,
    PlannedFile,
    Terms,
    Transfer,
)
from roundhouse.core.desks.browse import Offer, Query
from roundhouse.core.inference import Answer, ChunkStream, Deployment, InferenceRequest
from roundhouse.core.ledger import UsageRecord, UsageSummary
from roundhouse.core.runtimes import Feature, Wish, Workshop


@dataclass(frozen=True, slots=True)
class BackendHealth:
    """How a backend is, asked by a cheap call that costs nobody money."""

    ok: bool
    #: One sentence for people: a version, or what is wrong.
    detail: str
    latency_ms: float | None = None
    #: What somebody should see to though it answers: one of several keys that is refused.
    warning: str | None = None

    @property
    def told(self) -> str:
        """All of it in one sentence."""
        return self.detail if self.warning is None else f"{self.detail}; {self.warning}"


class Backend(Protocol):
    """Something that serves models.

    Every failure leaves as an error of ours: ``BackendError`` (retryable elsewhere), ``NetworkError``,
    ``LimitError`` (with ``retry_after_s``), ``AuthError``, ``DeadlineError``, or ``SchemaError`` when the
    backend says that the request itself is wrong (never tried elsewhere). Cancelling a call stops the work upstream.
    """

    name: str
    #: What it can do besides serving: whoever names a feature has the methods of `Loading`, `Storing` or `Reloading`.
    features: frozenset[Feature]

    async def deployments(self) -> Sequence[Deployment]:
        """What it serves now. Raises NetworkError when it cannot be asked."""

    async def answer(self, request: InferenceRequest, deployment: Deployment) -> Answer:
        """The whole answer to a request that is not streamed."""

    def stream(self, request: InferenceRequest, deployment: Deployment) -> ChunkStream:
        """The answer piece by piece; raises on iteration. Ends without a ``final`` chunk only by raising."""

    async def health(self) -> BackendHealth:
        """Whether it answers. Never raises."""

    async def close(self) -> None:
        """Let go of sockets and children."""


class Reloading(Protocol):
    """A backend with `Feature.RELOAD`."""

    def reloads(self, request: InferenceRequest, deployment: Deployment) -> bool:
        """Whether its weights, which are in memory, are loaded anew first. Quick, of what is known; never raises."""


#: Makes a backend of one kind: what an entry point of `roundhouse.backends` names. Raises ConfigError.
BackendMaker = Callable[[Wish, Workshop], Backend]


@dataclass(frozen=True, slots=True)
class ByteStream:
    """Bytes of one file from an offset on."""

    #: Where the bytes really start: 0 when the source could not resume.
    offset: int
    #: Size of the whole file, when the source tells.
    total: int | None
    chunks: AsyncIterator[bytes]
    #: Bytes that will come at most; ``None`` is all to the end, because that was asked for or nothing less can be had.
    length: int | None = None
    #: What tells these bytes from any others under that name, when the source tells: an ETag, a date.
    version: str | None = None


class Source(Protocol):
    """Where bytes come from."""

    #: The prefix of its references: ``hf``, ``https``, ``file``.
    scheme: str

    async def resolve(self, ref: str) -> Plan:
        """The exact files behind *ref*. Raises NotFoundError, AuthError, LicenseError, NetworkError, SchemaError."""

    def open(
        self, file: PlannedFile, offset: int, length: int | None = None
    ) -> AbstractAsyncContextManager[ByteStream]:
        """The bytes of *file* from *offset* on, *length* of them if given; from 0 on to the end where it cannot choose.

        Raises NetworkError when cut; LimitError with ``retry_after_s``.
        """


class Catalog(Protocol):
    """Where models can be found that are not here."""

    async def browse(self, query: Query) -> Sequence[Offer]:
        """What fits *query*. Raises NetworkError, LimitError, AuthError, SchemaError, OfflineError."""


class Artifacts(Protocol):
    """The registry of what the library holds. Every change is one transaction."""

    async def add(self, artifact: Artifact) -> None:
        """Register, replacing an artifact of the same model name."""

    async def add_all(self, artifacts: Sequence[Artifact]) -> None:
        """Register several, all of them or none."""

    async def get(self, model: str) -> Artifact:
        """One artifact. Raises NotFoundError."""

    async def list(self) -> Sequence[Artifact]:
        """All of them, by name."""

    async def remove(self, model: str) -> Artifact:
        """Forget one and its older revisions, and return it. Raises NotFoundError."""

    async def switch(self, artifact: Artifact, older: Sequence[Older]) -> None:
        """Make *artifact* the one of its name, and *older* all that is kept of others, in one step."""

    async def older(self, model: str | None = None) -> Sequence[Older]:
        """The revisions that are kept (of one model, or of all) and not served; the last that served comes first."""

    async def mark_verified(self, model: str, at: datetime) -> None:
        """Note that every byte was read and was right."""

    async def put_fingerprint(self, fingerprint: Fingerprint) -> None:
        """Remember the chunks of a blob, new or known."""

    async def fingerprint(self, digest: Digest) -> Fingerprint | None:
        """The chunks of one blob, if they were ever read."""

    async def fingerprints(self) -> Sequence[Fingerprint]:
        """All of them, by digest."""

    async def drop_fingerprints(self, digests: Collection[Digest]) -> None:
        """Forget the chunks of blobs that are gone; those that nobody knows are no error."""


class Transfers(Protocol):
    """The durable list of transfers."""

    async def put(self, transfer: Transfer) -> None:
        """Write the state of *transfer*, new or known."""

    async def get(self, transfer_id: str) -> Transfer:
        """One transfer. Raises NotFoundError."""

    async def list(self, *, limit: int = 100) -> Sequence[Transfer]:
        """Newest first."""

    async def remove(self, transfer_id: str) -> None:
        """Forget one. Raises NotFoundError."""


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


class Ledger(Protocol):
    """Where usage ends up."""

    async def append(self, records: Sequence[UsageRecord]) -> None:
        """Write all of them or none; a record whose id is known is left alone."""

    async def recent(self, *, limit: int = 50) -> Sequence[UsageRecord]:
        """Newest first."""

    async def summary(self, by: str, since: datetime | None = None) -> Sequence[UsageSummary]:
        """Added up by ``model``, ``backend`` or ``day``, busiest first."""


class Cache(Protocol):
    """Bytes that may be gone at any time. Nobody waits for it: what it cannot tell within milliseconds, it has not.

    A tenant is a hard partition: what was put for one is never given to another, whatever the key.
    """

    async def get(self, tenant: str, keys: Sequence[str]) -> Sequence[bytes | None]:
        """What is kept under each of *keys*, in their order. Never raises."""

    async def put(self, tenant: str, entries: Mapping[str, bytes], ttl_s: float) -> None:
        """Keep *entries* for so long at most. Never raises."""

    async def close(self) -> None:
        """Let go of sockets."""


#: A job's body: gets the job's id and its argument. Runs at least once to its end, also across kills.
JobBody = Callable[[str, str], Awaitable[None]]


class Jobs(Protocol):
    """Durable background work: what was started is finished, also after kill -9."""

    async def start(self, job_id: str, argument: str) -> None:
        """Start the job once; a second start with the same id joins the first."""

    async def wait(self, job_id: str) -> None:
        """Until the job is over. Raises NotFoundError."""
