"""What people may say about a transfer: how fast it may be, and how urgent it is."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both; nothing is said about the transfers that are there."""
    with op.batch_alter_table("transfers") as table:
        table.add_column(sa.Column("bandwidth", sa.BigInteger))
        table.add_column(sa.Column("priority", sa.Integer, nullable=False, server_default="0"))


def downgrade() -> None:
    """Forget both."""
    with op.batch_alter_table("transfers") as table:
        table.drop_column("priority")
        table.drop_column("bandwidth")
