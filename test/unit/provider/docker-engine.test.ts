import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { formatCommand } from "../../../components/docker-command.ts";
import {
  engine as schema,
  runOnEngine,
  type DockerError,
} from "../../../components/provider/docker/engine.ts";

const { signal } = new AbortController();
let folder: string;

/** In the place of a command: prints its arguments, its variables and its input. */
const fake = (name: string, script: string) => {
  writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, name), 0o755);
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "docker-engine-"));
  vi.stubEnv("PATH", [folder, process.env["PATH"]].join(delimiter));
  const print = 'echo "$(basename "$0") $* $DOCKER_CERT_PATH$DOCKER_TLS_VERIFY"; cat';
  fake("docker", print);
  fake("ssh", print);
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const run = async (where: object, input?: string) => {
  const options = { signal, ...(input !== undefined && { input: Buffer.from(input) }) };
  return (await runOnEngine(schema.parse(where), ["exec", "a b"], options)).toString();
};

test.each<[string, object, string]>([
  ["this machine's", {}, "docker exec a b \n"],
  ["one by SSH", { host: "ssh://me@far" }, "docker --host ssh://me@far exec a b \n"],
  [
    "one by SSH with options, which docker does not pass on",
    { host: "ssh://me@far:2222", sshOptions: ["-i", "key"] },
    "ssh -l me -p 2222 -T -o BatchMode=yes -i key -- far docker exec 'a b' \n",
  ],
  [
    "one by TLS",
    { host: "tcp://far:2376", certificateFolder: "/certificates" },
    "docker --host tcp://far:2376 exec a b /certificates1\n",
  ],
])("a command reaches the engine: %s", async (_, where, command) => {
  expect(await run(where)).toBe(command);
  expect(await run(where, "input ✓")).toBe(`${command}input ✓`);
});

test("a command that fails tells what it wrote", async () => {
  fake("docker", "echo half; echo 'Error: No such container: a' >&2; exit 1");
  const error = await run({}).catch((reason: unknown) => reason as DockerError);
  expect(error).toMatchObject({
    message: "docker exec failed: Error: No such container: a",
    isContainerMissing: true,
    isContainerStopped: false,
  });
});

test("a command that does not end is ended with the deployment", async () => {
  fake("docker", "exec sleep 60");
  const cancellation = new AbortController();
  const running = runOnEngine(schema.parse({}), ["stop"], { signal: cancellation.signal });
  setTimeout(() => {
    cancellation.abort(new Error("cancelled"));
  }, 200);
  await expect(running).rejects.toThrow("cancelled");
});

test("a missing command is named", async () => {
  vi.stubEnv("PATH", "/nowhere");
  await expect(run({})).rejects.toThrow(
    "the docker command is not installed, and the deployment needs it; install it, then run: pulumi up",
  );
});

test("a command for the user is the same", () => {
  const far = schema.parse({ host: "ssh://me@far", sshOptions: ["-4"] });
  expect(formatCommand(far, ["start", "a"])).toBe(
    "ssh -l me -T -o BatchMode=yes -4 -- far 'docker start a'",
  );
});
