"""One row for each request and one for its response."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade():
    op.create_table(
        "requests",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("route", sa.Text),
        sa.Column("model", sa.Text),
        sa.Column("status_code", sa.SmallInteger, nullable=False),
        sa.Column("user_id", sa.Text),
        sa.Column("api_key", sa.Text),
        sa.Column("key_alias", sa.Text),
    )
    op.create_index("ix_requests_created_at", "requests", ["created_at"])
    op.create_index("ix_requests_request_id", "requests", ["request_id"])
    op.create_table(
        "responses",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column(
            "request_id_fk",
            sa.Uuid,
            sa.ForeignKey("requests.id", ondelete="CASCADE"),
            nullable=False,
            unique=True,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("latency_ms", sa.Double),
        sa.Column("prompt_tokens", sa.BigInteger),
        sa.Column("completion_tokens", sa.BigInteger),
        sa.Column("total_tokens", sa.BigInteger),
    )


def downgrade():
    op.drop_table("responses")
    op.drop_table("requests")
