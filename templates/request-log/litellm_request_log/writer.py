"""Moves rows from memory into the database, away from the requests they tell of.

What serves requests only appends to a buffer. A thread writes it in batches, each one transaction, and
takes rows out of the buffer after their COMMIT. While the database is away the rows go to the spill
file, so that not even a crash of the proxy loses more than those of the last two seconds. Rows have
their ids from the beginning: one that is sent twice is there once.
"""

import contextlib
import logging
import os
import socket
import threading
import time
from collections import deque
from itertools import islice

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from .schema import requests, responses

log = logging.getLogger(__name__)

BATCH = 500
INTERVAL_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 2.0
# For the last rows, when the process stops; connecting to an absent host takes half of it.
CLOSE_SECONDS = 6.0
# Between two lines about the same trouble.
COMPLAINT_SECONDS = 60.0
STATEMENT_TIMEOUT = "5s"
# For a batch, where the database does not even answer that it takes too long.
BATCH_SECONDS = 10.0
# Of one row, by a database that is there; anything else concerns all of them.
REFUSALS = (sa.exc.DataError, sa.exc.IntegrityError, ValueError)


class Writer:
    """One per process; it starts with its construction."""

    def __init__(self, engine, spill, buffer_rows):
        self._engine = engine
        self._spill = spill
        self._limit = buffer_rows
        self._buffer = deque()
        self._wake = threading.Event()
        self._closing = False
        self._failures = 0
        self._complained = {}
        self.written = self.spilled = self.lost = 0
        self._thread = threading.Thread(target=self._run, name="request-log", daemon=True)
        self._thread.start()

    def put(self, row):
        """Never waits before `close`. A row for which there is no room is counted as lost."""
        if self._closing:
            self.lost += 1 - self._spill_rows([row])
            return
        if len(self._buffer) >= self._limit:
            self.lost += 1
            return
        self._buffer.append(row)
        # A database that is away is not asked more often because there is more to write.
        if len(self._buffer) >= BATCH and self._failures == 0:
            self._wake.set()

    def close(self):
        """Brings what is left to the database or the spill file, within CLOSE_SECONDS; then does nothing more."""
        if self._closing:
            return
        self._closing = True
        self._wake.set()
        self._thread.join(CLOSE_SECONDS)
        left = list(self._buffer)
        if self._thread.is_alive():
            # It waits for the database, which may yet take its batch; what is kept twice is written once.
            left = left[self._spill_rows(left) :]
        self.lost += len(left)
        counts = f"{self.written} rows written, {self.spilled} put into the spill file, {self.lost} lost"
        log.log(logging.WARNING if self.lost or self._failures else logging.INFO, "request log closed: %s", counts)

    def _run(self):
        pause = INTERVAL_SECONDS
        while True:
            self._wake.wait(pause)
            self._wake.clear()
            last = self._closing
            try:
                self._send_buffer()
                if not last:
                    self._send_spill()
                if self._failures > 0:
                    log.warning("request log: the database takes rows again")
                self._failures, pause = 0, INTERVAL_SECONDS
                self._complained.pop("database", None)
            except Exception as error:
                self._failures += 1
                pause = min(LONGEST_PAUSE_SECONDS, INTERVAL_SECONDS * 2**self._failures)
                self._complain("database", "the database does not take rows: %s", describe(error))
                self._keep_buffer()
            if self.lost > 0:
                self._complain("lost", "%d rows were lost since the start of this process", self.lost)
            if last:
                return

    def _send_buffer(self):
        while self._buffer:
            rows = list(islice(self._buffer, BATCH))
            self._send(rows)
            self._forget(rows)

    def _send_spill(self):
        try:
            with self._spill.take_up(BATCH) as batches:
                for rows in batches:
                    readable = [row for row in rows if row is not None]
                    self.lost += len(rows) - len(readable)
                    if readable:
                        self._send(readable)
                    self._send_buffer()
                    if self._closing:
                        return
        except OSError as error:
            self._complain("spill", "%s cannot be read: %s", self._spill.path, error.strerror)

    def _send(self, rows):
        try:
            self._insert(rows)
        except REFUSALS:
            # The database is there and refuses a row: the others must not wait behind it for ever.
            self._send_one_by_one(rows)

    def _send_one_by_one(self, rows):
        for row in rows:
            try:
                self._insert([row])
            except REFUSALS as error:
                self.lost += 1
                self._complain("row", "a row was refused: %s", describe(error))

    def _insert(self, rows):
        with self._engine.connect() as connection, time_limit(connection):
            connection.execute(sa.text(f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}'"))
            for table, values in ((requests, request_of), (responses, response_of)):
                connection.execute(insert(table).on_conflict_do_nothing(), [values(row) for row in rows])
            connection.commit()
        self.written += len(rows)

    def _keep_buffer(self):
        rows = list(self._buffer)
        kept = self._spill_rows(rows)
        self._forget(rows[:kept])
        if kept < len(rows) and self._spill.path is not None:
            self._complain("spill", "%s has no room for more rows", self._spill.path)

    def _spill_rows(self, rows):
        try:
            kept = self._spill.append(rows) if rows else 0
        except OSError as error:
            self._complain("spill", "rows cannot be kept in %s: %s", self._spill.path, error.strerror)
            return 0
        self.spilled += kept
        return kept

    def _forget(self, rows):
        for _ in rows:
            self._buffer.popleft()

    def _complain(self, topic, message, *values):
        """At most once in a while for each topic."""
        now = time.monotonic()
        if now - self._complained.get(topic, -COMPLAINT_SECONDS) >= COMPLAINT_SECONDS:
            self._complained[topic] = now
            log.warning(f"request log: {message}", *values)


@contextlib.contextmanager
def time_limit(connection):
    """Breaks the connection when what is done with it takes too long: libpq waits without a limit."""
    # Of its own, as the number of the other may be that of another file by then.
    end = socket.socket(fileno=os.dup(connection.connection.driver_connection.fileno()))

    def break_off():
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(BATCH_SECONDS, break_off)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        end.close()


def describe(error):
    """The kind of the error and the first line of what the database says; no statement and no values of it."""
    cause = getattr(error, "orig", None)
    if cause is None:
        return type(error).__name__
    # PostgreSQL quotes a refused row in the lines after the first.
    first, *_ = str(cause).strip().splitlines() or [""]
    return f"{type(cause).__name__}: {first}"


def request_of(row):
    return {
        "id": row["id"],
        "created_at": row["received_at"],
        "request_id": row["request_id"],
        "route": row["route"],
        "model": row["model"],
        "status_code": row["status_code"],
        "user_id": row["user_id"],
        "api_key": row["api_key"],
        "key_alias": row["key_alias"],
    }


def response_of(row):
    return {
        "id": row["response_id"],
        "request_id_fk": row["id"],
        "created_at": row["answered_at"],
        "latency_ms": row["latency_ms"],
        "prompt_tokens": row["prompt_tokens"],
        "completion_tokens": row["completion_tokens"],
        "total_tokens": row["total_tokens"],
    }
