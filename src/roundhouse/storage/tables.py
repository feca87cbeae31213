"""What is stored: the tables, one column per fact. Knows nothing about who reads them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

#: The revision that these tables are; the newest file in ``migrations/versions``.
REVISION = "0009"


class Instant(sa.TypeDecorator[datetime]):
    """A moment in UTC: a real timestamp on PostgreSQL; on SQLite, which has none, text that sorts by time."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store UTC; SQLite would forget any other zone."""
        if value is None:
            return None
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give UTC back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

artifacts = sa.Table(
    "artifacts",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("ref", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("revision", sa.Text, nullable=False),
    sa.Column("format", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("architecture", sa.Text),
    sa.Column("quantization", sa.Text),
    sa.Column("context", sa.BigInteger),
    sa.Column("parameters", sa.BigInteger),
    sa.Column("has_chat_template", sa.Boolean, nullable=False),
    sa.Column("license", sa.Text),
    sa.Column("verified_at", Instant),
    sa.Column("license_digest", sa.String(64)),
    sa.Column("license_source", sa.Text),
)

licenses = sa.Table(
    "licenses",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("license", sa.Text),
    sa.Column("seen_at", Instant, nullable=False),
    sa.Column("name", sa.Text),
    sa.Column("url", sa.Text),
    sa.Column("source", sa.Text),
    sa.Column("ref", sa.Text),
    sa.Column("revision", sa.Text),
    sa.Column("text", sa.Text),
)

license_acceptances = sa.Table(
    "license_acceptances",
    metadata,
    sa.Column("principal", sa.Text, primary_key=True),
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("license", sa.Text),
    sa.Column("at", Instant, nullable=False),
)

artifact_files = sa.Table(
    "artifact_files",
    metadata,
    sa.Column("model", sa.ForeignKey("artifacts.model", ondelete="CASCADE"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    #: Many artifacts may share a blob.
    sa.Column("digest", sa.String(64), nullable=False, index=True),
)

#: Revisions that are kept and not served. No foreign key: the row of the served one is replaced at every switch.
revisions = sa.Table(
    "revisions",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("key", sa.String(12), primary_key=True),
    sa.Column("served_until", Instant, nullable=False),
    #: The artifact as it was, whole: it is read only to be put back.
    sa.Column("artifact", sa.JSON, nullable=False),
)

#: What the bytes of a blob were, chunk by chunk. No foreign key: a blob lands before its artifact is registered.
fingerprints = sa.Table(
    "fingerprints",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("modified_ns", sa.BigInteger, nullable=False),
    sa.Column("chunk_bytes", sa.BigInteger, nullable=False),
    #: The digests one after the other, 32 bytes each: a large model has thousands.
    sa.Column("chunks", sa.LargeBinary, nullable=False),
)

#: What is said about models. No foreign key: it also stands for models that only a backend has.
marks = sa.Table(
    "marks",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("pinned", sa.Boolean, nullable=False),
    sa.Column("last_used_at", Instant),
    sa.Column("times_used", sa.BigInteger, nullable=False),
)

model_tags = sa.Table(
    "model_tags",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("tag", sa.Text, primary_key=True),
)

transfers = sa.Table(
    "transfers",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("ref", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False, index=True),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Column("model", sa.Text),
    sa.Column("bytes_total", sa.BigInteger),
    sa.Column("bytes_done", sa.BigInteger, nullable=False),
    sa.Column("error", sa.JSON(none_as_null=True)),
    sa.Column("bandwidth", sa.BigInteger),
    sa.Column("priority", sa.Integer, nullable=False, server_default="0"),
    sa.Column("principal", sa.Text),
)

usage = sa.Table(
    "usage",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("at", Instant, nullable=False, index=True),
    sa.Column("principal", sa.Text, nullable=False),
    sa.Column("operation", sa.Text, nullable=False),
    sa.Column("requested", sa.Text, nullable=False),
    sa.Column("model", sa.Text),
    sa.Column("backend", sa.Text),
    sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
    sa.Column("completion_tokens", sa.BigInteger, nullable=False),
    sa.Column("cached_tokens", sa.BigInteger, nullable=False),
    sa.Column("cost_usd", sa.Double),
    sa.Column("latency_ms", sa.Double, nullable=False),
    sa.Column("first_token_ms", sa.Double),
    sa.Column("overhead_ms", sa.Double, nullable=False),
    sa.Column("stream", sa.Boolean, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("attempts", sa.JSON, nullable=False),
    sa.Column("estimated", sa.Boolean, nullable=False),
    #: ``hit`` or ``shared``; such a request used nothing.
    sa.Column("cache", sa.String(16)),
)

#: What became of requests, hour by hour.
figures = sa.Table(
    "figures",
    metadata,
    #: Hours since 1970, first in the key: what is too old is one range of it.
    sa.Column("hour", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("backend", sa.Text, primary_key=True),
    sa.Column("model", sa.Text, primary_key=True),
    #: The run that saw it: each writes its own row, so nobody adds to what another one writes.
    sa.Column("part", sa.String(32), primary_key=True),
    #: Counts, sums and histograms of that hour.
    sa.Column("tally", sa.JSON, nullable=False),
)

baselines = sa.Table(
    "baselines",
    metadata,
    sa.Column("backend", sa.Text, primary_key=True),
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("by", sa.String(16), nullable=False),
    #: Speed and time to the first token, by kind of call.
    sa.Column("kinds", sa.JSON, nullable=False),
)


def append_only(table: sa.Table) -> str:
    """Write PostgreSQL's statement that inserts rows and leaves those alone whose key is known.

    In the driver's own words, for `exec_driver_sql` with values that the driver takes: five times as fast.
    """
    return _insert(table, "%({})s", "NOTHING")


def append_from_json(table: sa.Table) -> str:
    """Write the same for SQLite, with one parameter: a JSON array of rows, each an array of columns."""
    names = ", ".join(column.name for column in table.columns)
    values = ", ".join(f"json_extract(value, '$[{number}]')" for number in range(len(table.columns)))
    key = ", ".join(column.name for column in table.primary_key)
    return (
        f"INSERT INTO {table.name} ({names}) SELECT {values} FROM json_each(?) WHERE true"  # noqa: S608 - our own names
        f" ON CONFLICT ({key}) DO NOTHING"
    )


def insert_once(table: sa.Table) -> sa.TextClause:
    """Write a statement that inserts rows, and leaves those alone whose key is known: the same on both databases."""
    return _typed(table, _insert(table, ":{}", "NOTHING"))


def upsert(table: sa.Table) -> sa.TextClause:
    """Write a statement that inserts rows, or overwrites those whose key is known: the same on both databases."""
    rest = [column.name for column in table.columns if not column.primary_key]
    # Text, because SQLAlchemy's own clause lives in the dialects, and importing PostgreSQL's costs 0.15 s at start.
    statement = _insert(table, ":{}", "UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in rest))
    return _typed(table, statement)


def _typed(table: sa.Table, statement: str) -> sa.TextClause:
    return sa.text(statement).bindparams(*(sa.bindparam(column.name, type_=column.type) for column in table.columns))


def skip(table: sa.Table) -> sa.TextClause:
    """Write a statement that inserts rows, and leaves those alone whose key is known: the same on both databases."""
    statement = _insert(table, ":{}", "NOTHING")
    return sa.text(statement).bindparams(*(sa.bindparam(column.name, type_=column.type) for column in table.columns))


def rows_of(table: sa.Table, **columns: str) -> Iterator[sa.BindParameter[object]]:
    """Give the parameters of a statement the types of the columns that they are for."""
    for parameter, column in columns.items():
        yield sa.bindparam(parameter, type_=table.c[column].type)


def _insert(table: sa.Table, placeholder: str, conflict: str) -> str:
    names = ", ".join(column.name for column in table.columns)
    values = ", ".join(placeholder.format(column.name) for column in table.columns)
    keys = ", ".join(column.name for column in table.primary_key)
    return f"INSERT INTO {table.name} ({names}) VALUES ({values}) ON CONFLICT ({keys}) DO {conflict}"  # noqa: S608 - only names from this file
