"""What people and traffic say about models: pins, tags, when they were last used."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables of marks and tags."""
    op.create_table(
        "marks",
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("pinned", sa.Boolean, nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True)),
        sa.Column("times_used", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("model", name="pk_marks"),
    )
    op.create_table(
        "model_tags",
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("tag", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("model", "tag", name="pk_model_tags"),
    )


def downgrade() -> None:
    """Drop them: pins, tags and stamps are lost."""
    op.drop_table("model_tags")
    op.drop_table("marks")
