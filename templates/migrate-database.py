"""Brings the database's schema to what this LiteLLM needs, then ends: run once, before any proxy.

LiteLLM's own migration step, with two differences. It has a deadline as a whole. And Prisma's
schema engine is asked directly: Prisma's command line first tries the connection by a command
with the whole database URL in its arguments, for everybody on the host to read.

Exit code 0: the schema is complete. Anything else stops the deployment; each migration is a
transaction, and the next run takes up what is left.
"""

import glob
import json
import os
import signal
import subprocess
import sys
import threading

DEADLINE_SECONDS = int(os.environ.get("MIGRATION_DEADLINE_SECONDS", "1800"))


def give_up(signum, frame):
    print(
        f"the migrations did not end within {DEADLINE_SECONDS} seconds: another one may hold their lock, "
        "or the database is slow; see what it waits for in pg_stat_activity, then start again",
        file=sys.stderr,
        flush=True,
    )
    # As the container's main process: whatever still runs in it ends with us.
    os._exit(124)


run_command_line = None


def find_schema_engine():
    """Prisma's schema engine, where LiteLLM's image keeps it."""
    given = os.environ.get("PRISMA_SCHEMA_ENGINE_BINARY")
    caches = [os.environ.get("PRISMA_BINARY_CACHE_DIR"), os.path.expanduser("~/.cache/prisma-python")]
    found = [
        path
        for cache in caches
        if cache
        for path in sorted(glob.glob(f"{cache}/**/schema-engine-*", recursive=True))
        if os.access(path, os.X_OK) and os.path.isfile(path)
    ]
    engine = given or (found[0] if found else None)
    if engine is None:
        sys.exit("Prisma's schema engine is not in this image: use LiteLLM's own, of the pinned version")
    return engine


def translate(argv):
    """The engine's method and parameters for a command of Prisma's command line."""
    migrations = os.path.abspath("migrations")
    command = list(argv[1:])
    if command == ["migrate", "deploy"]:
        return "applyMigrations", {"migrationsDirectoryPath": migrations}
    if command[:3] == ["migrate", "resolve", "--rolled-back"]:
        return "markMigrationRolledBack", {"migrationName": command[3]}
    if command[:3] == ["migrate", "resolve", "--applied"]:
        return "markMigrationApplied", {"migrationName": command[3], "migrationsDirectoryPath": migrations}
    return None, {}


def run_prisma(argv, *, timeout, env, **pipes):
    """In the place of litellm_proxy_extras.prisma_toolchain.run_prisma, with the same errors."""
    method, params = translate(argv)
    if method is None and any("://" in argument for argument in argv):
        raise subprocess.CalledProcessError(
            1, argv[:3], "", "this database was not made by LiteLLM's migrations: take it over by hand first"
        )
    if list(argv[1:]) == ["--version"]:
        # Prepares Prisma's command line, which starts Node and loads the client: for nothing here.
        return subprocess.CompletedProcess(argv, 0, "", "")
    if method is None:
        return run_command_line(argv, timeout=timeout, env=env, **pipes)
    engine = subprocess.Popen(
        [find_schema_engine(), "--datamodel", os.path.abspath("schema.prisma")],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    log = []
    reader = threading.Thread(target=lambda: log.extend(engine.stderr), daemon=True)
    reader.start()
    timed_out = threading.Event()
    timer = threading.Timer(timeout, lambda: (timed_out.set(), engine.kill()))
    timer.start()
    try:
        answer = ask(engine, method, params)
    finally:
        timer.cancel()
        engine.kill()
        engine.wait()
        reader.join(timeout=5)
    if timed_out.is_set():
        raise subprocess.TimeoutExpired(argv[:3], timeout)
    if answer is None:
        raise subprocess.CalledProcessError(1, argv[:3], "", "".join(log[-12:]))
    if "error" in answer:
        data = answer["error"].get("data") or {}
        code, message = data.get("error_code", ""), data.get("message", answer["error"]["message"])
        raise subprocess.CalledProcessError(1, argv[:3], "", f"Error: {code}\n\n{message}")
    names = (answer["result"] or {}).get("appliedMigrationNames", [])
    done = f"applied {len(names)} migrations" if names else "No pending migrations to apply"
    return subprocess.CompletedProcess(argv[:3], 0, done, "")


def ask(engine, method, params):
    """The engine's answer, or None when it ended without one."""

    def send(message):
        engine.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        engine.stdin.flush()

    try:
        send({"id": 1, "method": method, "params": params})
        for line in engine.stdout:
            message = json.loads(line)
            if message.get("method") == "print":
                send({"id": message["id"], "result": {}})
            elif message.get("id") == 1:
                return message
    except BrokenPipeError:
        pass
    return None


def main():
    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(DEADLINE_SECONDS)

    from litellm_proxy_extras import prisma_toolchain

    global run_command_line
    run_command_line = prisma_toolchain.run_prisma
    prisma_toolchain.run_prisma = run_prisma

    try:
        from litellm_proxy_extras import request_log_indexes
    except ImportError:
        pass  # another release of LiteLLM, which builds its indexes otherwise
    else:
        # Two pauses in which other migrations could take the lock: this one runs alone.
        request_log_indexes._LOCK_HANDOVER_SECONDS = 0

    from litellm import run_server

    # Called as a function it returns after the set-up, and ends the process with 1 or 2 when that fails.
    run_server(("--skip_server_startup",), standalone_mode=False)


if __name__ == "__main__":
    main()
