"""Serves LiteLLM's proxy on the socket that systemd passes, so that no restart refuses a client.

Everything up to the start of the server is LiteLLM's own command (settings, secret managers,
the parameters of DATABASE_URL); its last step, gunicorn, is replaced by one that

- takes systemd's socket instead of a port,
- replaces workers at SIGHUP only when the new ones serve, and keeps the old ones when those fail,
- lets a worker that stops run to its end, so that what it still has to write is written,
- tells systemd, and who reads the file `workers` of the runtime directory, how it stands.

Two further steps of LiteLLM 1.106.2 are left out: `prisma migrate diff --from-url <DATABASE_URL>`,
which shows the database's password to everybody in the process list (the migration has compared the
schema already), and the look whether port 4000 is free, which would be answered by systemd.
"""

import argparse
import asyncio
import atexit
import mmap
import os
import signal
import socket
import sys
import time

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--config", required=True, help="LiteLLM's config file")
parser.add_argument("--workers", type=int, default=1, help="processes that serve")
parser.add_argument(
    "--graceful-timeout",
    type=int,
    default=60,
    help="seconds that requests have left when their worker stops",
)
parser.add_argument(
    "--start-timeout",
    type=int,
    default=300,
    help="seconds in which a worker has to serve",
)
options = parser.parse_args()

# gunicorn would report to systemd before any worker serves.
notify_address = os.environ.pop("NOTIFY_SOCKET", None)
# Variables that LiteLLM's command would take for its options.
for name in ("HOST", "PORT", "NUM_WORKERS"):
    os.environ.pop(name, None)

from litellm.proxy.db import check_migration  # noqa: E402

check_migration.check_prisma_schema_diff = lambda db_url=None: None

from gunicorn.app.base import BaseApplication  # noqa: E402
from gunicorn.arbiter import Arbiter  # noqa: E402
from gunicorn.errors import HaltServer  # noqa: E402
from litellm.proxy.proxy_cli import ProxyInitializationHelpers, run_server  # noqa: E402
from litellm.proxy.db.query_engine_reaper import start_query_engine_reaper  # noqa: E402
from litellm.rust_bridge.fork_guard import reserve_process_for_forking  # noqa: E402
from uvicorn.server import Server  # noqa: E402
from uvicorn.workers import UvicornWorker  # noqa: E402

# After its last request a worker empties its logs: the request log gives up on a database that is
# away after 16 seconds.
FLUSH_SECONDS = 25
# For clients to send the request that they are about to, or to leave.
LEAVE_SECONDS = 1
# Between two tries to replace a worker that has ended while others serve.
RESPAWN_SECONDS = 5


class GatewayServer(Server):
    def __init__(self, config, marks):
        super().__init__(config)
        self._marks = marks

    async def shutdown(self, sockets=None):
        # uvicorn closes connections at once that it has accepted and not read from, and those that
        # clients keep for their next request. So these get an answer first, and are told to leave.
        for server in self.servers:
            server.close()
        headers = self.server_state.default_headers
        self.server_state.default_headers = [*headers, (b"connection", b"close")]
        await asyncio.sleep(LEAVE_SECONDS)
        # Runs at uvicorn's first pause, which is when the port and idle connections are closed.
        asyncio.get_running_loop().call_soon(self._marks.__setitem__, 1, 1)
        await super().shutdown(sockets)


class GatewayWorker(UvicornWorker):
    CONFIG_KWARGS = {
        # Addresses can hold keys.
        "access_log": False,
        "server_header": False,
        "timeout_graceful_shutdown": options.graceful_timeout,
        "timeout_notify": 5,
    }

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        # Made before the fork, so that the master sees what the worker writes.
        self._marks = mmap.mmap(-1, 2)
        self.started = time.monotonic()
        self.attempt = 0
        self.is_retired = False

    @property
    def serves(self):
        return self._marks[0] == 1

    @property
    def has_closed(self):
        """Whether it takes no further requests."""
        return self._marks[1] == 1

    async def _serve(self):
        # As UvicornWorker does, with a server that tells when it takes no further requests.
        self.config.app = self.wsgi
        server = GatewayServer(self.config, self._marks)
        self._install_sigquit_handler()
        await server.serve(sockets=self.sockets)
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)

    async def callback_notify(self):
        # uvicorn calls this for the first time when its start is complete.
        self._marks[0] = 1
        await super().callback_notify()
        if not self.alive:
            signal.raise_signal(signal.SIGTERM)

    def init_signals(self):
        super().init_signals()
        # Once it has stopped in good order, uvicorn raises the signal that it was stopped by anew:
        # by default that ends the process before anything registered with atexit has run. One that
        # comes before uvicorn listens to signals is kept until it does.
        signal.signal(signal.SIGTERM, self.handle_exit)


class GatewayArbiter(Arbiter):
    """gunicorn's master, except for how workers follow each other.

    An attempt is a set of workers that read the config file together: the first at the start, one
    more at each SIGHUP.
    """

    def __init__(self, app):
        super().__init__(app)
        self.last_attempt = 1
        self.wanted = 1
        self.serving = 0
        self.reported = 0
        self.failed = set()
        self.spawn_at = 0.0
        self.is_stopping = False

    def reload(self):
        self.last_attempt += 1
        self.wanted = self.last_attempt
        self.spawn_at = 0.0
        self.report("starting")
        for worker in self.workers():
            if not worker.serves:
                self.retire(worker)
        self.manage_workers()

    def manage_workers(self):
        self.note_late_workers()
        if self.failed:
            self.handle_failure()
        current = self.workers(self.wanted)
        if len(current) < self.num_workers and time.monotonic() >= self.spawn_at:
            self.spawn_workers()
            current = self.workers(self.wanted)
        if len(current) < self.num_workers or not all(worker.serves for worker in current):
            return
        self.serving = self.wanted
        for worker in self.workers():
            if worker.attempt != self.wanted:
                self.retire(worker)
        # The next request is to be answered by the new ones.
        former = [worker for worker in list(self.WORKERS.values()) if worker.is_retired]
        if self.reported != self.serving and all(worker.has_closed for worker in former):
            self.reported = self.serving
            self.report("serving")

    def spawn_workers(self):
        for _ in range(self.num_workers - len(self.workers(self.wanted))):
            self.spawn_worker()

    def prepare(self, worker):
        # Before the fork: a worker may have ended before its master knows its process id.
        worker.attempt = self.wanted

    def note_late_workers(self):
        oldest = time.monotonic() - options.start_timeout
        for worker in self.workers():
            if not worker.serves and not worker.is_retired and worker.started < oldest:
                self.log.error("worker %s does not serve yet and is ended", worker.pid)
                worker.is_retired = True
                self.failed.add(worker.attempt)
                self.kill_worker(worker.pid, signal.SIGKILL)

    def handle_failure(self):
        attempts, self.failed = self.failed, set()
        if self.wanted not in attempts:
            return
        if self.wanted != self.serving and self.serving:
            self.log.error("The new workers failed; the old ones go on with the former settings")
            for worker in self.workers(self.wanted):
                self.retire(worker)
            self.wanted = self.serving
            self.report("failed")
        elif not any(worker.serves for worker in self.workers()):
            raise HaltServer("no worker could be started", self.WORKER_BOOT_ERROR)
        else:
            self.spawn_at = time.monotonic() + RESPAWN_SECONDS

    def reap_workers(self):
        # Called by a signal handler: it only notes what has happened.
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            worker = self.WORKERS.pop(pid, None)
            if worker is None:
                continue
            if not worker.serves and not worker.is_retired:
                self.failed.add(worker.attempt)
            if not worker.is_retired and not self.is_stopping:
                code = os.waitstatus_to_exitcode(status)
                how = f"by signal {-code}" if code < 0 else f"with code {code}"
                self.log.error("worker %s has ended %s", pid, how)
            worker.tmp.close()
            self.cfg.child_exit(self, worker)

    def stop(self, graceful=True):
        self.is_stopping = True
        notify("STOPPING=1")
        super().stop(graceful)

    def workers(self, attempt=None):
        """Those that are to go on, or all of an attempt that are."""
        return [
            worker
            for worker in list(self.WORKERS.values())
            if not worker.is_retired and attempt in (None, worker.attempt)
        ]

    def retire(self, worker):
        worker.is_retired = True
        # One that does not serve yet has no requests to finish, and may not heed a milder signal.
        self.kill_worker(worker.pid, signal.SIGTERM if worker.serves else signal.SIGKILL)

    def report(self, outcome):
        status = f"{self.num_workers} workers, attempt {self.last_attempt} {outcome}"
        self.log.info(status)
        notify(f"STATUS={status}" if outcome == "starting" else f"READY=1\nSTATUS={status}")
        folder = os.environ.get("RUNTIME_DIRECTORY")
        if folder:
            path = os.path.join(folder, "workers")
            with open(f"{path}.new", "w") as file:
                file.write(f"{self.last_attempt} {outcome}\n")
            os.replace(f"{path}.new", path)


class GatewayApplication(BaseApplication):
    def __init__(self, app, settings):
        self.settings = settings
        self.application = app
        super().__init__()

    def load_config(self):
        for name, value in self.settings.items():
            self.cfg.set(name, value)

    def load(self):
        return self.application

    def run(self):
        GatewayArbiter(self).run()


def notify(state):
    """https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html"""
    if notify_address is None:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.connect(notify_address.replace("@", "\0", 1) if notify_address[0] == "@" else notify_address)
        sender.sendall(state.encode())


def run_gunicorn(app, num_workers, **_):
    settings = {
        "workers": num_workers,
        "worker_class": GatewayWorker,
        "preload_app": True,
        # As in the socket unit: a server that listens sets it anew.
        "backlog": 4096,
        "pre_fork": lambda arbiter, worker: arbiter.prepare(worker),
        "graceful_timeout": options.graceful_timeout + FLUSH_SECONDS,
        # A worker that stops no longer says that it is alive.
        "timeout": options.graceful_timeout + FLUSH_SECONDS + 60,
        # Longer than that of the clients and proxies in front, which must be the ones to close.
        "keepalive": 75,
    }
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        from litellm.proxy.prometheus_cleanup import mark_worker_exit

        settings["child_exit"] = lambda server, worker: mark_worker_exit(worker.pid)
    # As LiteLLM's own start of gunicorn does: threads of native routes would not survive the fork.
    reserve_process_for_forking("the gunicorn master")
    start_query_engine_reaper()
    GatewayApplication(app, settings).run()


def serve():
    ProxyInitializationHelpers.is_port_in_use = staticmethod(lambda port: False)
    ProxyInitializationHelpers.run_gunicorn_server = staticmethod(run_gunicorn)
    run_server(["--run_gunicorn", "--config", options.config, "--num_workers", str(options.workers)])


def main():
    try:
        serve()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    # The master and each of its workers end here. What is registered is done; taking thousands of
    # modules down one by one, and waiting for threads that nobody needs, is left out.
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
