"""The tables of the request log, as the newest migration leaves them."""

import sqlalchemy as sa

metadata = sa.MetaData()
VERSION_TABLE = "request_log_version"

requests = sa.Table(
    "requests",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    # When it was received.
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, index=True),
    # Not unique: clients can choose it by the header x-litellm-call-id.
    sa.Column("request_id", sa.Text, nullable=False, index=True),
    sa.Column("route", sa.Text),
    sa.Column("model", sa.Text),
    sa.Column("status_code", sa.SmallInteger, nullable=False),
    sa.Column("user_id", sa.Text),
    # SHA-256 of the key, in hexadecimal.
    sa.Column("api_key", sa.Text),
    sa.Column("key_alias", sa.Text),
)

responses = sa.Table(
    "responses",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column(
        "request_id_fk",
        sa.Uuid,
        sa.ForeignKey("requests.id", ondelete="CASCADE"),
        nullable=False,
        unique=True,
    ),
    # When it was complete, or had failed.
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("latency_ms", sa.Double),
    sa.Column("prompt_tokens", sa.BigInteger),
    sa.Column("completion_tokens", sa.BigInteger),
    sa.Column("total_tokens", sa.BigInteger),
)
