import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { hostProcess, type ProcessInputs } from "../../components/provider/host/process.ts";
import {
  findPortHolder,
  findProcess,
  identify,
  listGroup,
} from "../../components/provider/host/process-table.ts";
import { operationContext } from "../support/operation-context.ts";
import { findFreePort } from "../support/ports.ts";

const SERVER = `
  const http = require("node:http");
  if (process.env.STUBBORN) process.on("SIGTERM", () => {});
  console.log("hello from " + process.env.GREETING);
  console.error("inherited: " + String(process.env.DEPLOYER_ONLY));
  http.createServer((q, r) => r.end("ok")).listen(Number(process.env.PORT), "127.0.0.1");
`;

let folder: string;
let inputs: ProcessInputs;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "process with spaces "));
  const port = await findFreePort();
  writeFileSync(join(folder, "server.cjs"), SERVER);
  inputs = hostProcess.inputs.parse({
    name: `test/${String(port)}`,
    command: [process.execPath, join(folder, "server.cjs")],
    environment: { PORT: String(port), GREETING: "the test" },
    logFile: join(folder, "server.log"),
    port,
    readiness: { kind: "http", url: `http://127.0.0.1:${String(port)}/`, deadlineSeconds: 20 },
    stopGraceSeconds: 5,
  });
});

afterEach(async () => {
  const { context } = operationContext();
  await hostProcess.delete(context, inputs.name, {
    inputs,
    outputs: { ...inputs, pid: 0, startTime: "", running: false },
  });
  rmSync(folder, { recursive: true });
});

const create = async (changes: Partial<ProcessInputs> = {}) => {
  const wanted = { ...inputs, ...changes };
  const { outputs } = await hostProcess.create(operationContext().context, wanted);
  return { ...wanted, ...outputs };
};

const observe = async (outputs: Awaited<ReturnType<typeof create>>) => {
  const { context } = operationContext();
  return (await hostProcess.read(context, inputs.name, { inputs, outputs }))?.outputs;
};

describe("a process", () => {
  test("runs detached, is ready when created, and logs to a file of its owner's", async () => {
    process.env["DEPLOYER_ONLY"] = "leaked";
    const created = await create();
    delete process.env["DEPLOYER_ONLY"];

    const response = await fetch(`http://127.0.0.1:${String(inputs.port)}/`);
    expect(await response.text()).toBe("ok");
    expect(await observe(created)).toEqual({
      pid: created.pid,
      startTime: created.startTime,
      running: true,
    });
    expect(readFileSync(inputs.logFile, "utf8")).toBe(
      "hello from the test\ninherited: undefined\n",
    );
    expect(statSync(inputs.logFile).mode & 0o777).toBe(0o600);
    expect(findPortHolder(inputs.port)?.pid).toBe(created.pid);
  });

  test("that was killed is seen by read as drift, and started again by update", async () => {
    const created = await create();
    process.kill(created.pid, "SIGKILL");
    await expect.poll(() => findProcess(identify(inputs.name))).toBeUndefined();

    const observed = await observe(created);
    expect(observed?.running).toBe(false);
    expect(hostProcess.drift({ ...created, running: false })).toEqual(["running"]);

    const { context } = operationContext();
    const updated = await hostProcess.update(context, inputs.name, {
      inputs,
      previousInputs: inputs,
      outputs: created,
    });
    expect(updated.running).toBe(true);
    expect(updated.pid).not.toBe(created.pid);
  });

  test("is found again by what it is when its number is not known", async () => {
    const created = await create();
    const observed = await observe({ ...created, pid: process.pid, startTime: "1" });
    expect(observed).toEqual({ pid: created.pid, startTime: created.startTime, running: true });
  });

  test("left over by an interrupted deployment is replaced, not doubled", async () => {
    const first = await create();
    const second = await create();
    expect(listGroup(first.pid)).toEqual([]);
    expect(findPortHolder(inputs.port)?.pid).toBe(second.pid);
  });

  test("that ignores the stop signal is killed after its grace", async () => {
    const environment = { ...inputs.environment, STUBBORN: "1" };
    const created = await create({ environment, stopGraceSeconds: 0.5 });
    const { context } = operationContext();
    await hostProcess.delete(context, inputs.name, { inputs: created, outputs: created });
    expect(listGroup(created.pid)).toEqual([]);
    expect(findPortHolder(inputs.port)).toBeUndefined();
  });
});

describe("a process that cannot start", () => {
  test("names the holder of its port", async () => {
    const holder = createServer().listen(inputs.port, "127.0.0.1");
    await once(holder, "listening");
    try {
      await expect(create()).rejects.toThrow(
        `port ${String(inputs.port)} is taken by process ${String(process.pid)}: `,
      );
    } finally {
      holder.close();
    }
  });

  test("shows its last lines when it ends too early", async () => {
    const command = [process.execPath, "-e", "console.error('no such thing'); process.exit(3)"];
    await expect(create({ command })).rejects.toThrow(
      `${process.execPath} ended with exit code 3 before it was ready; its last lines:\nno such thing\nwhole log: ${inputs.logFile}`,
    );
  });

  test("is stopped when it is not ready in time", async () => {
    const readiness = { ...inputs.readiness, url: "http://127.0.0.1:9/", deadlineSeconds: 1 };
    await expect(create({ readiness })).rejects.toThrow("not ready after 1 seconds");
    await expect.poll(() => findProcess(identify(inputs.name))).toBeUndefined();
  });

  test("is stopped when the deployment is cancelled", async () => {
    const controller = new AbortController();
    const readiness = { ...inputs.readiness, url: "http://127.0.0.1:9/" };
    const created = hostProcess.create(operationContext(controller.signal).context, {
      ...inputs,
      readiness,
    });
    setTimeout(() => {
      controller.abort(new Error("cancelled"));
    }, 500);
    await expect(created).rejects.toThrow("cancelled");
    await expect.poll(() => findProcess(identify(inputs.name))).toBeUndefined();
  });

  test("says which program is missing", async () => {
    await expect(create({ command: ["/nowhere/server"] })).rejects.toThrow(
      "spawn /nowhere/server ENOENT",
    );
  });
});
