"""How quick each deployment is when it is well."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; baselines are learned anew, or measured."""
    op.create_table(
        "baselines",
        sa.Column("backend", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(16), nullable=False),
        sa.Column("kinds", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("backend", "model", name="pk_baselines"),
    )


def downgrade() -> None:
    """Forget them."""
    op.drop_table("baselines")
