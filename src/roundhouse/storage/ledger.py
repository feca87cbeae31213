"""The ledger of usage, in SQL. Knows nothing about prices, and holds no content of requests.

Names and numbers in a record come from clients and upstreams: what no database can hold is made to fit here, so that
one odd request cannot keep a whole batch out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from roundhouse.core.errors import SchemaError
from roundhouse.core.ledger import AttemptRecord, UsageRecord, UsageSummary
from roundhouse.storage.database import Database
from roundhouse.storage.tables import append_from_json, append_only, usage

_APPEND = append_only(usage)
_APPEND_JSON = append_from_json(usage)
#: More tokens than any request has, and few enough that adding them up stays within 64 bits.
_MOST_TOKENS = 10**12
_LONGEST = 512
#: Neither worked nor failed: the client went away.
_NO_ERROR = ("ok", "client_closed")


class SqlLedger:
    """The port `Ledger`, on SQLite or PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, records: Sequence[UsageRecord]) -> None:
        """Write all of them or none; a record whose id is known is left alone."""
        if records:
            await self._database.write(lambda connection: _append(connection, records))

    async def recent(self, *, limit: int = 50) -> Sequence[UsageRecord]:
        """Newest first."""
        newest = sa.select(usage).order_by(usage.c.at.desc(), usage.c.id.desc()).limit(limit)
        rows = await self._database.read(lambda connection: connection.execute(newest).mappings().all())
        return [_record(row) for row in rows]

    async def summary(self, by: str, since: datetime | None = None) -> Sequence[UsageSummary]:
        """Added up by ``model``, ``backend`` or ``day`` (UTC), busiest first. Raises SchemaError."""
        question = _summary(_key(by, self._database.dialect), since)
        rows = await self._database.read(lambda connection: connection.execute(question).mappings().all())
        return sorted(map(_total, rows), key=lambda row: (-row.requests, row.key))


def _append(connection: Connection, records: Sequence[UsageRecord]) -> None:
    dialect = connection.dialect.name
    rows = [_row(record, dialect) for record in records]
    if dialect == "sqlite":
        # One statement for all: the driver takes the interpreter's lock once, and not twice per row from the requests.
        lines = msgspec.json.encode([list(row.values()) for row in rows]).decode()
        connection.exec_driver_sql(_APPEND_JSON, (lines,))
    else:
        connection.exec_driver_sql(_APPEND, rows)


def _key(by: str, dialect: str) -> sa.ColumnElement[str]:
    match by:
        case "model":
            return sa.func.coalesce(usage.c.model, usage.c.requested)
        case "backend":
            return sa.func.coalesce(usage.c.backend, "(none)")
        case "day" if dialect == "sqlite":
            return sa.func.strftime("%Y-%m-%d", usage.c.at)
        case "day":
            return sa.func.to_char(sa.func.timezone("UTC", usage.c.at), "YYYY-MM-DD")
    message = f"usage cannot be added up by {by!r}"
    raise SchemaError(message, hint="by is one of: model, backend, day")


def _summary(key: sa.ColumnElement[str], since: datetime | None) -> sa.Select[tuple[str, int, int, int, int, float]]:
    failed = sa.case((usage.c.outcome.in_(_NO_ERROR), 0), else_=1)
    question = sa.select(
        key.label("key"),
        sa.func.count().label("requests"),
        sa.func.sum(failed).label("errors"),
        sa.func.sum(usage.c.prompt_tokens).label("prompt_tokens"),
        sa.func.sum(usage.c.completion_tokens).label("completion_tokens"),
        sa.func.coalesce(sa.func.sum(usage.c.cost_usd), 0.0).label("cost_usd"),
    ).group_by(sa.literal_column("1"))
    return question if since is None else question.where(usage.c.at >= since)


def _row(record: UsageRecord, dialect: str) -> dict[str, object]:
    """Every column, in the table's order, in a type that the driver itself takes."""
    return {
        "id": _text(record.id),
        "at": _moment(record.at, dialect),
        "principal": _text(record.principal),
        "operation": _text(record.operation),
        "requested": _text(record.requested),
        "model": None if record.model is None else _text(record.model),
        "backend": None if record.backend is None else _text(record.backend),
        "prompt_tokens": _tokens(record.prompt_tokens),
        "completion_tokens": _tokens(record.completion_tokens),
        "cached_tokens": _tokens(record.cached_tokens),
        "cost_usd": _real(record.cost_usd),
        "latency_ms": _real(record.latency_ms) or 0.0,
        "first_token_ms": _real(record.first_token_ms),
        "overhead_ms": _real(record.overhead_ms) or 0.0,
        "stream": record.stream,
        "outcome": _text(record.outcome),
        "attempts": msgspec.json.encode([_attempt(attempt) for attempt in record.attempts]).decode(),
        "estimated": record.estimated,
        "cache": record.cache,
    }


def _moment(at: datetime, dialect: str) -> datetime | str:
    """As `Instant` does it."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f") if dialect == "sqlite" else at


def _attempt(attempt: AttemptRecord) -> dict[str, object]:
    row: dict[str, object] = {
        "deployment": _text(attempt.deployment),
        "outcome": _text(attempt.outcome),
        "duration_ms": _real(attempt.duration_ms) or 0.0,
    }
    if attempt.first_token_ms is not None:
        row["first_token_ms"] = _real(attempt.first_token_ms)
    if attempt.queued_ms:
        row["queued_ms"] = _real(attempt.queued_ms) or 0.0
    if attempt.cold:
        row["cold"] = True
    if attempt.beside:
        row["beside"] = attempt.beside
    if attempt.held_ms:
        row["held_ms"] = _real(attempt.held_ms) or 0.0
    return row


def _text(value: str) -> str:
    """Without what PostgreSQL (NUL) or UTF-8 (half a surrogate pair) cannot hold, and of bounded length."""
    if value.isascii() and value.isprintable() and len(value) <= _LONGEST:
        return value
    return value[:_LONGEST].replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _tokens(value: int) -> int:
    return max(0, min(value, _MOST_TOKENS))


def _real(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _record(row: RowMapping) -> UsageRecord:
    return UsageRecord(**{**row, "attempts": tuple(AttemptRecord(**attempt) for attempt in row["attempts"])})


def _total(row: RowMapping) -> UsageSummary:
    # PostgreSQL adds up in decimals.
    tokens = {name: int(row[name]) for name in ("prompt_tokens", "completion_tokens")}
    return UsageSummary(row["key"], row["requests"], row["errors"], **tokens, cost_usd=row["cost_usd"])
