"""What licences need: their terms, who agreed to them, which model came under which, and who started a download."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both tables and the columns; nobody has agreed to anything yet."""
    op.create_table(
        "licenses",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("license", sa.Text),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("name", sa.Text),
        sa.Column("url", sa.Text),
        sa.Column("source", sa.Text),
        sa.Column("ref", sa.Text),
        sa.Column("revision", sa.Text),
        sa.Column("text", sa.Text),
        sa.PrimaryKeyConstraint("digest", name="pk_licenses"),
    )
    op.create_table(
        "license_acceptances",
        sa.Column("principal", sa.Text, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("license", sa.Text),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("principal", "digest", name="pk_license_acceptances"),
    )
    with op.batch_alter_table("artifacts") as table:
        table.add_column(sa.Column("license_digest", sa.String(64)))
        table.add_column(sa.Column("license_source", sa.Text))
    with op.batch_alter_table("transfers") as table:
        table.add_column(sa.Column("principal", sa.Text))


def downgrade() -> None:
    """Forget who agreed to what: they are asked again."""
    with op.batch_alter_table("transfers") as table:
        table.drop_column("principal")
    with op.batch_alter_table("artifacts") as table:
        table.drop_column("license_source")
        table.drop_column("license_digest")
    op.drop_table("license_acceptances")
    op.drop_table("licenses")
