"""Starts LiteLLM's proxy: the `litellm` command without its look for differences of the database schema.

LiteLLM 1.106.2 runs `prisma migrate diff --from-url <DATABASE_URL>` at every start when
DISABLE_SCHEMA_UPDATE is set, which shows the database's password to everybody in the process
list and takes seconds. The migration step has compared the schema already.
"""

import sys

from litellm.proxy.db import check_migration

check_migration.check_prisma_schema_diff = lambda db_url=None: None

from litellm import run_server  # noqa: E402  (after the replacement)

if __name__ == "__main__":
    sys.exit(run_server())
