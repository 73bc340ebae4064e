"""Reloads serve-litellm.py: sends SIGHUP, and ends when new workers serve, or fails when they did not.

Arguments: process id of its master, and how many seconds to wait at most.
"""

import os
import signal
import sys
import time


def read_workers(path):
    with open(path) as file:
        attempt, outcome = file.read().split()
    return int(attempt), outcome


def main():
    pid, patience = int(sys.argv[1]), float(sys.argv[2])
    path = os.path.join(os.environ["RUNTIME_DIRECTORY"], "workers")
    before, _ = read_workers(path)
    os.kill(pid, signal.SIGHUP)
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        time.sleep(0.1)
        attempt, outcome = read_workers(path)
        if attempt > before and outcome != "starting":
            if outcome == "serving":
                return 0
            print("the new workers failed; the old ones go on with the former settings", file=sys.stderr)
            return 1
    print(f"the new workers do not serve after {patience:.0f} s", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
