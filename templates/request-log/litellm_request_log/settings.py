"""What the environment says of the request log.

REQUEST_LOG_DATABASE_URL   postgresql://user:password@host:port/database?sslmode=verify-full&sslrootcert=…
REQUEST_LOG_SPILL_FILE     where rows go while the database is away; default: nowhere, they stay in memory
REQUEST_LOG_SPILL_BYTES    what that file may hold, of all processes together; default 256 MiB
REQUEST_LOG_BUFFER_ROWS    rows that each process holds in memory at most; default 20 000
REQUEST_LOG_RETENTION_DAYS what `prune` keeps; no default
"""

import os

import sqlalchemy as sa

# Else a host that does not answer would hold a batch, or a stop, for minutes.
CONNECTION = {
    "connect_timeout": 3,
    "tcp_user_timeout": 5000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
}


class SettingError(Exception):
    """A variable of the environment that is absent or wrong, without its value where that is a secret."""


def database_engine():
    """One connection to the database.

    Raises SettingError.
    """
    text = os.environ.get("REQUEST_LOG_DATABASE_URL", "")
    try:
        url = sa.make_url(text)
    except sa.exc.ArgumentError:
        url = None
    if url is None or not url.drivername.startswith("postgresql"):
        raise SettingError(
            "REQUEST_LOG_DATABASE_URL must be an address such as postgresql://user:password@host:5432/database; "
            "set it in the environment file of the service"
        )
    given = {name: value for name, value in CONNECTION.items() if name not in url.query}
    return sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=1,
        max_overflow=0,
        # A pooler between here and the database may give each transaction another connection.
        connect_args={"application_name": "litellm-request-log", "prepare_threshold": None, **given},
    )


def number_of(name, default):
    """A whole number above zero; without a default it has to be given.

    Raises SettingError.
    """
    text = os.environ.get(name, "")
    if text == "" and default is not None:
        return default
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise SettingError(f"{name} must be a whole number above 0, not {text!r}")
    return int(text)
