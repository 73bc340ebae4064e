"""Commands on the tables of the request log.

    python -m litellm_request_log migrate   brings them to the version that this package needs
    python -m litellm_request_log prune     deletes what is older than REQUEST_LOG_RETENTION_DAYS

Exit code 0, or 1 and one line that says why, without secrets.
"""

import argparse
import sys

import sqlalchemy as sa

from .maintenance import migrate, prune
from .settings import SettingError, database_engine, number_of


def run(command):
    engine = database_engine()
    if command == "migrate":
        migrate(engine)
        print("the tables of the request log are up to date")
    else:
        days = number_of("REQUEST_LOG_RETENTION_DAYS", None)
        print(f"{prune(engine, days)} requests older than {days} days deleted")


def explain(error):
    """The database's own words, on one line; statements and their values left out."""
    cause = getattr(error, "orig", None) or error
    text = " ".join(str(cause).split())
    if isinstance(error, sa.exc.OperationalError):
        return f"the request log's database could not be used: {text}"
    if getattr(cause, "sqlstate", None) == "42P07":
        return f"{text}, and no migration of the request log has made it; rename or drop it, then run again"
    return f"the request log's tables could not be changed: {text}"


def main():
    parser = argparse.ArgumentParser(prog="python -m litellm_request_log", description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["migrate", "prune"])
    try:
        run(parser.parse_args().command)
    except SettingError as error:
        sys.exit(str(error))
    except sa.exc.SQLAlchemyError as error:
        sys.exit(explain(error))


if __name__ == "__main__":
    main()
