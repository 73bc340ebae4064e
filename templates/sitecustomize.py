"""Read by every Python of the container, as a module of this name is: https://docs.python.org/3/library/site.html

LiteLLM 1.106.2 runs `prisma migrate diff --from-url <DATABASE_URL>` at every start when
DISABLE_SCHEMA_UPDATE is set, which shows the database's password to everybody in the process
list and takes seconds. The migration step has compared the schema already. So LiteLLM finds
a step that does nothing in its place; the image and its entry point stay as they are.
"""

import sys
from types import ModuleType

check_migration = ModuleType("litellm.proxy.db.check_migration")
check_migration.check_prisma_schema_diff = lambda db_url=None: None
sys.modules[check_migration.__name__] = check_migration
