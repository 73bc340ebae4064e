"""What is done to the tables beside the proxy's work."""

from datetime import datetime, timedelta, timezone
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from .schema import requests

# Of PostgreSQL's advisory locks; LiteLLM's migrations have 72707369.
MIGRATION_LOCK = 72707370
# An index on a table that is written to must not wait for ever, and nor must a second migration.
LOCK_TIMEOUT = "60s"
# Each batch is a transaction of its own, so that none holds up the proxy.
PRUNE_BATCH = 5000


def migrate(engine):
    """Brings the tables to the newest version, as one transaction; a second run at the same time waits."""
    config = Config()
    # Alembic reads its settings as an INI file does.
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        connection.execute(sa.text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def prune(engine, days):
    """Deletes what was received more than `days` days ago, responses included; returns how many requests."""
    limit = datetime.now(timezone.utc) - timedelta(days=days)
    oldest = sa.select(requests.c.id).where(requests.c.created_at < limit).limit(PRUNE_BATCH)
    deleted = 0
    while True:
        with engine.begin() as connection:
            count = connection.execute(sa.delete(requests).where(requests.c.id.in_(oldest))).rowcount
        deleted += count
        if count < PRUNE_BATCH:
            return deleted
