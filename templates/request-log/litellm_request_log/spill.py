"""A file of rows that the database could not take.

All processes of the proxy share it, and the next start takes up what it holds. One line of JSON is one
row. Lines are only appended. Who writes them to the database first renames the file, so that others
append to a new one, and deletes it when all its rows are there: an interruption on the way means that
rows are sent twice, and the database keeps one of two.
"""

import contextlib
import fcntl
import json
import os
from datetime import datetime


class Spill:
    """With no path it keeps nothing."""

    def __init__(self, path, limit):
        self.path = path
        # Renamed to this while its rows go to the database.
        self.taken = f"{path}.taken"
        self.limit = limit

    def append(self, rows):
        """Keeps the first rows, as many as there is room for, on the disk; returns how many."""
        if self.path is None:
            return 0
        with self._lock("lock"):
            room = self.limit - size_of(self.path) - size_of(self.taken)
            lines = []
            for row in rows:
                line = encode(row)
                room -= len(line)
                if room < 0:
                    break
                lines.append(line)
            return len(lines) if lines and self._write(b"".join(lines)) else 0

    def _write(self, data):
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            size = os.fstat(file).st_size
            try:
                # A process that was killed may have left half a line.
                if size > 0 and os.pread(file, 1, size - 1) != b"\n":
                    data = b"\n" + data
                view = memoryview(data)
                while view:
                    view = view[os.write(file, view) :]
                os.fsync(file)
            except OSError:
                os.ftruncate(file, size)
                return False
            return True
        finally:
            os.close(file)

    @contextlib.contextmanager
    def take_up(self, batch):
        """Batches of rows, the oldest first; none while another process is at it.

        A row that cannot be read is None. Who has had all of them, without an exception, has emptied the file.
        """
        if self.path is None or (size_of(self.path) == 0 and size_of(self.taken) == 0):
            yield iter(())
            return
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(self._lock("taken.lock", wait=False))
            except BlockingIOError:
                yield iter(())
                return
            # What another process has been at in the meantime may be gone.
            if not os.path.exists(self.taken):
                with self._lock("lock"):
                    if size_of(self.path) == 0:
                        yield iter(())
                        return
                    os.rename(self.path, self.taken)
            finished = False

            def batches():
                nonlocal finished
                with open(self.taken, "rb") as file:
                    rows = []
                    for line in file:
                        rows.append(decode(line))
                        if len(rows) == batch:
                            yield rows
                            rows = []
                    if rows:
                        yield rows
                finished = True

            yield batches()
            if finished:
                os.unlink(self.taken)

    @contextlib.contextmanager
    def _lock(self, name, wait=True):
        """The system gives it up when the process ends, however that is."""
        file = os.open(f"{self.path}.{name}", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            yield
        finally:
            os.close(file)


def size_of(path):
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def encode(row):
    return (json.dumps(row, default=datetime.isoformat) + "\n").encode()


def decode(line):
    try:
        row = json.loads(line)
        return {
            **row,
            "received_at": datetime.fromisoformat(row["received_at"]),
            "answered_at": datetime.fromisoformat(row["answered_at"]),
        }
    except (ValueError, TypeError, KeyError):
        return None
