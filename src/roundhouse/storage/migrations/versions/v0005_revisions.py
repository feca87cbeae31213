"""What going back needs: the older revisions of models."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table of revisions that are kept and not served."""
    op.create_table(
        "revisions",
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("key", sa.String(12), nullable=False),
        sa.Column("served_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("artifact", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("model", "key", name="pk_revisions"),
    )


def downgrade() -> None:
    """Drop it: the served revisions stay, and nobody can go back."""
    op.drop_table("revisions")
