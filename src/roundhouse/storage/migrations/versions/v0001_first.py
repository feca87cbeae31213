"""The first tables: artifacts and their files, transfers, usage."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# A step never uses `tables.py`: it must stay what it was when that file moves on.
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create them."""
    _artifacts()
    _transfers()
    _usage()


def downgrade() -> None:
    """Drop them."""
    for table in ("usage", "transfers", "artifact_files", "artifacts"):
        op.drop_table(table)


def _artifacts() -> None:
    op.create_table(
        "artifacts",
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("ref", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("revision", sa.Text, nullable=False),
        sa.Column("format", sa.Text, nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("architecture", sa.Text),
        sa.Column("quantization", sa.Text),
        sa.Column("context", sa.BigInteger),
        sa.Column("parameters", sa.BigInteger),
        sa.Column("has_chat_template", sa.Boolean, nullable=False),
        sa.Column("license", sa.Text),
        sa.Column("verified_at", _INSTANT),
        sa.PrimaryKeyConstraint("model", name="pk_artifacts"),
    )
    op.create_table(
        "artifact_files",
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["model"], ["artifacts.model"], name="fk_artifact_files_model", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("model", "position", name="pk_artifact_files"),
    )
    op.create_index("ix_artifact_files_digest", "artifact_files", ["digest"])


def _transfers() -> None:
    op.create_table(
        "transfers",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("ref", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("updated_at", _INSTANT, nullable=False),
        sa.Column("model", sa.Text),
        sa.Column("bytes_total", sa.BigInteger),
        sa.Column("bytes_done", sa.BigInteger, nullable=False),
        sa.Column("error", sa.JSON),
        sa.PrimaryKeyConstraint("id", name="pk_transfers"),
    )
    op.create_index("ix_transfers_created_at", "transfers", ["created_at"])


def _usage() -> None:
    op.create_table(
        "usage",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
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
        sa.PrimaryKeyConstraint("id", name="pk_usage"),
    )
    op.create_index("ix_usage_at", "usage", ["at"])
