"""Brings the database's schema to what this LiteLLM needs, then ends: run once, before any proxy.

LiteLLM's own migration step, with a deadline for the whole of it. Exit code 0: the schema is
complete. Anything else stops the deployment; nothing is half applied, each migration is a
transaction that the next run takes up.
"""

import os
import signal
import sys

DEADLINE_SECONDS = int(os.environ.get("MIGRATION_DEADLINE_SECONDS", "1800"))


def give_up(signum, frame):
    print(
        f"the migrations did not end within {DEADLINE_SECONDS} seconds: another one may hold their lock, "
        "or the database is slow; look at pg_stat_activity, then run `pulumi up` again",
        file=sys.stderr,
        flush=True,
    )
    # Prisma's processes go with us: they are in our process group.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    os._exit(124)


def main():
    if os.getpid() != os.getpgrp():
        os.setpgrp()
    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(DEADLINE_SECONDS)
    from litellm import run_server

    # Called as a function it returns after the set-up, and ends the process with 1 or 2 when that fails.
    run_server(("--skip_server_startup",), standalone_mode=False)


if __name__ == "__main__":
    main()
