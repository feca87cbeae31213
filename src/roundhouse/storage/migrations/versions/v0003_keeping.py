"""What keeping models needs: the chunks of every blob."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table of fingerprints."""
    op.create_table(
        "fingerprints",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("modified_ns", sa.BigInteger, nullable=False),
        sa.Column("chunk_bytes", sa.BigInteger, nullable=False),
        sa.Column("chunks", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_fingerprints"),
    )


def downgrade() -> None:
    """Drop it: the first full verify reads the chunks again."""
    op.drop_table("fingerprints")
