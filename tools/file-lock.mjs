import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { setTimeout as wait } from "node:timers/promises";

const HEARTBEAT_MILLISECONDS = 5_000;
/** After this long without a sign of life a lock's holder counts as gone, whatever runs under its number. */
const ABANDONED_MILLISECONDS = 60_000;
const POLL_MILLISECONDS = 250;

/**
 * Does `work` while no other process of this machine does the same. A lock whose
 * holder died is taken over.
 *
 * @template T
 * @param {string} path of the lock file; it exists while the work is done
 * @param {(holder: number) => void} onWait called once, with the number of the process that is waited for
 * @param {() => Promise<T> | T} work
 * @returns {Promise<T>}
 */
export async function withFileLock(path, onWait, work) {
  mkdirSync(dirname(path), { recursive: true });
  let waiting = false;
  while (!tryLock(path)) {
    const holder = readHolder(path);
    if (holder === undefined || isAbandoned(path, holder)) {
      rmSync(path, { force: true });
      continue;
    }
    if (!waiting) {
      onWait(holder);
      waiting = true;
    }
    await wait(POLL_MILLISECONDS);
  }
  const heartbeat = setInterval(() => {
    const now = new Date();
    utimesSync(path, now, now);
  }, HEARTBEAT_MILLISECONDS);
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    rmSync(path, { force: true });
  }
}

/** @param {string} path */
function tryLock(path) {
  let file;
  try {
    file = openSync(path, "wx");
  } catch (error) {
    if (isCode(error, "EEXIST")) {
      return false;
    }
    throw error;
  }
  writeSync(file, String(process.pid));
  closeSync(file);
  return true;
}

/**
 * The process that holds a lock: undefined when it has just been released, 0 while
 * its number is not written yet.
 *
 * @param {string} path
 */
function readHolder(path) {
  try {
    return Number(readFileSync(path, "utf8"));
  } catch (error) {
    if (isCode(error, "ENOENT")) {
      return undefined;
    }
    throw error;
  }
}

/**
 * @param {string} path
 * @param {number} holder
 */
function isAbandoned(path, holder) {
  const written = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
  return (
    written !== undefined &&
    (Date.now() - written > ABANDONED_MILLISECONDS || (holder !== 0 && !isAlive(holder)))
  );
}

/** @param {number} processNumber */
function isAlive(processNumber) {
  try {
    process.kill(processNumber, 0);
    return true;
  } catch (error) {
    return !isCode(error, "ESRCH");
  }
}

/**
 * @param {unknown} error
 * @param {string} code
 */
function isCode(error, code) {
  return error instanceof Error && "code" in error && error.code === code;
}
