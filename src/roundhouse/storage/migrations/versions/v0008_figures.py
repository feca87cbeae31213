"""Which requests a cache answered, and what became of requests, hour by hour."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table and the column; of older requests none was answered by a cache."""
    op.create_table(
        "figures",
        sa.Column("hour", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("backend", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("part", sa.String(32), nullable=False),
        sa.Column("tally", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("hour", "backend", "model", "part", name="pk_figures"),
    )
    with op.batch_alter_table("usage") as table:
        table.add_column(sa.Column("cache", sa.String(16)))


def downgrade() -> None:
    """Forget both."""
    with op.batch_alter_table("usage") as table:
        table.drop_column("cache")
    op.drop_table("figures")
