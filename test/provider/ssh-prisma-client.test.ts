import type { PrismaClientOutputs } from "../../components/provider/litellm/prisma-client.ts";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { job, type JobInputs } from "../../components/provider/ssh/job.ts";
import {
  machinePrismaClient,
  type MachinePrismaClientInputs,
} from "../../components/provider/ssh/prisma-client.ts";
import {
  machinePythonEnvironment,
  type MachinePythonEnvironmentInputs,
} from "../../components/provider/ssh/python-environment.ts";
import { closeSessions } from "../../components/provider/ssh/session.ts";
import { sha256 } from "../../stacks/sha256.ts";
import { docker, LAB_LABEL } from "../lab/docker.ts";
import {
  createNetwork,
  labMachines,
  type LabNetwork,
  type Machine,
  startMachine,
} from "../lab/machine.ts";
import { operationContext } from "../support/operation-context.ts";

const available = labMachines();
const { context } = operationContext();
const requirements = readFileSync("components/provider/litellm/requirements.lock", "utf8");
const requirementsSha256 = sha256(requirements);
const PATH = `/opt/litellm/python-${requirementsSha256.slice(0, 12)}`;
const MIGRATION = "/opt/litellm/bin/migrate-database.py";
const PASSWORD = "p4ss/w0rd+of#the:database";
const NAME = `ssh-prisma-${process.pid}`;
const ENGINE_COMMIT = "ac9d7041ed77bcc8a8dbd2ab6616b39013829574";
const START_SECONDS = 60;
/** Of a machine whose processors others use as well. */
const SLOW = 10 * 60_000;

/** Writes and reads as LiteLLM does; ends with 0 when all is as it should be. */
const QUERY = `
import asyncio
from prisma import Prisma

async def main():
    client = Prisma()
    await client.connect()
    await client.litellm_usertable.create({"user_id": "née", "max_budget": 1.5})
    found = await client.litellm_usertable.find_unique({"user_id": "née"})
    assert found.max_budget == 1.5, found
    await client.disconnect()

asyncio.run(main())
`;

describe.skipIf(!available.available)(`LiteLLM on a machine ${available.reason}`, () => {
  let network: LabNetwork;
  let machine: Machine;
  let environment: MachinePythonEnvironmentInputs;
  let inputs: MachinePrismaClientInputs;
  let outputs: PrismaClientOutputs;

  const psql = async (query: string) =>
    (await docker(["exec", `${NAME}-db`, "psql", "-XAtU", "postgres", "-c", query])).trim();

  const runJob = (changes: Partial<JobInputs>) =>
    job.create(
      context,
      job.inputs.parse({
        connection: machine.connection("deploy"),
        name: "database",
        command: [inputs.python, MIGRATION],
        user: "litellm",
        environmentFile: "/etc/litellm.env",
        environment: outputs.environment,
        ...changes,
      }),
    );

  const observe = async () => {
    const state = { inputs, outputs: { ...inputs, ...outputs } };
    const observed = await machinePrismaClient.read(context, inputs.python, state);
    const drift = observed && machinePrismaClient.drift({ ...inputs, ...observed.outputs });
    return { outputs: observed?.outputs, drift };
  };

  const mend = () =>
    machinePrismaClient.update(context, inputs.python, {
      inputs,
      previousInputs: inputs,
      outputs: { ...inputs, ...outputs },
    });

  async function startDatabase(): Promise<void> {
    await docker([
      ...["run", "--detach", `--name=${NAME}-db`, `--label=${LAB_LABEL}`],
      ...[`--network=${network.name}`, `--ip=${network.address(19)}`],
      ...["--env", `POSTGRES_PASSWORD=${PASSWORD}`, "postgres:17"],
    ]);
    const deadline = Date.now() + START_SECONDS * 1000;
    // Its first server, which sets it up, listens on no address.
    const probe = ["exec", `${NAME}-db`, "pg_isready", "-h", network.address(19)];
    while (!(await docker(probe).then(Boolean, () => false))) {
      if (Date.now() > deadline) throw new Error("the database did not start");
      await sleep(200);
    }
  }

  async function prepareMachine(): Promise<void> {
    const url = `postgresql://postgres:${encodeURIComponent(PASSWORD)}@${network.address(19)}:5432/postgres`;
    await machine.script(`
      useradd --system --home-dir /var/lib/litellm --shell /usr/sbin/nologin litellm
      mkdir -p /opt/litellm/bin
      echo 'PRISMA_ENGINES_MIRROR=http://127.0.0.1:9' >>/etc/environment
      install -m 640 -g litellm /dev/null /etc/litellm.env
      cat >/etc/litellm.env <<'END'
DATABASE_URL='${url}'
LITELLM_LOCAL_MODEL_COST_MAP=True
LITELLM_MASTER_KEY=sk-of-the-migration
END`);
    await machine.execute(
      ["tee", MIGRATION],
      readFileSync("templates/migrate-database.py", "utf8"),
    );
  }

  beforeAll(async () => {
    network = await createNetwork(NAME);
    const user = { name: "deploy", sudo: "nopasswd" } as const;
    machine = await startMachine(NAME, { network, address: network.address(18), user });
    const connection = machine.connection("deploy");
    environment = machinePythonEnvironment.inputs.parse({
      connection,
      path: PATH,
      requirements,
      requirementsSha256,
    });
    const [made] = await Promise.all([
      machinePythonEnvironment.create(context, environment),
      startDatabase(),
      prepareMachine(),
    ]);
    const { python } = made.outputs;
    inputs = machinePrismaClient.inputs.parse({ connection, python, requirementsSha256 });
    ({ outputs } = await machinePrismaClient.create(context, inputs));
  }, SLOW);

  afterAll(async () => {
    await closeSessions();
    await docker(["rm", "--force", "--volumes", `${NAME}-db`]);
    await machine.remove();
    await network.remove();
  });

  test("the client is found again as it was made", async () => {
    expect(outputs.engine).toBe("wasm");
    expect(outputs.engineVersion).toMatch(/^[0-9a-f]{40}$/);
    expect(await observe()).toEqual({ outputs, drift: [] });
  });

  test("all of it is root's, compiled, for everybody to use and nobody else to write", async () => {
    const find = (condition: string) => machine.script(`find /opt/litellm ${condition} | head -3`);
    expect(await find("! -user root -o ! -group root")).toBe("");
    expect(await find("! -type l -perm /022")).toBe("");
    expect(await find("-type d ! -perm -755 -o -type f ! -perm -444")).toBe("");
    expect(await find("-path '*litellm/proxy/__pycache__/proxy_server.*.pyc'")).not.toBe("");
    expect(await find("-path '*prisma/__pycache__/client.*.pyc'")).not.toBe("");
    expect(await machine.script(`ls -A /opt/litellm`)).toBe(
      `bin\n${PATH.slice("/opt/litellm/".length)}\nuv\n`,
    );
  });

  test(
    "LiteLLM's own migration brings the database up to date, as a job",
    async () => {
      await runJob({ runOn: { litellm: requirementsSha256 } });
      const [all, finished] = (
        await psql("SELECT count(*), count(finished_at) FROM _prisma_migrations")
      ).split("|");
      const folder = `${PATH}/lib/python3.*/site-packages/litellm_proxy_extras/migrations`;
      const shipped = await machine.script(`ls ${folder}/*/migration.sql | wc -l`);
      expect([all, finished]).toEqual([shipped.trim(), shipped.trim()]);
    },
    SLOW,
  );

  test("its client works in a sandbox, for a user without a home", async () => {
    await runJob({ name: "query", command: [inputs.python, "-c", QUERY] });
    expect(await psql(`SELECT user_id FROM "LiteLLM_UserTable"`)).toContain("née");
  });

  test("shows the database's password to nobody", async () => {
    const text = await machine.script("journalctl --no-pager; cat /opt/litellm/*/prisma/*.json");
    expect(text).toContain("litellm-job-database");
    expect(text).not.toContain(encodeURIComponent(PASSWORD));
    expect(text).not.toContain(PASSWORD);
  });

  test.each([
    ["the client is gone", "mv $site/prisma/client.py /root", "mv /root/client.py $site/prisma"],
    [
      "the schema is another",
      "sed -i '$a // edited' $site/litellm/proxy/schema.prisma",
      "sed -i '$d' $site/litellm/proxy/schema.prisma",
    ],
    ["an engine is gone", "chmod a-x prisma/nodeenv/bin/node", "chmod a+x prisma/nodeenv/bin/node"],
  ])("sees that %s", async (_what, edit, undo) => {
    const change = (how: string) =>
      machine.script(`cd ${PATH}; site=$(echo lib/python3.*/site-packages); ${how}`);
    await change(edit);
    expect((await observe()).drift).toEqual(["schemaSha256"]);
    await change(undo);
    expect((await observe()).drift).toEqual([]);
  });

  test(
    "is made again as it was, and otherwise with the native engine where that can be downloaded",
    async () => {
      await machine.script(
        `cd ${PATH}; rm -r prisma/nodeenv lib/python3.*/site-packages/prisma/client.py`,
      );
      const mirror = createMirror();
      mirror.listen(0, network.address(1));
      await once(mirror, "listening");
      const { port } = mirror.address() as { port: number };
      try {
        await machine.script(
          `sed -i 's|^PRISMA_ENGINES_MIRROR=.*|PRISMA_ENGINES_MIRROR="http://${network.address(1)}:${port}"|' /etc/environment`,
        );
        expect(await mend()).toEqual(outputs);
        expect(await observe()).toEqual({ outputs, drift: [] });

        await machine.script(`rm ${PATH}/prisma/client.json`);
        ({ outputs } = await machinePrismaClient.create(context, inputs));
        expect(outputs.engine).toBe("native");
        expect(outputs.engineVersion).toBe(ENGINE_COMMIT);
        const engine = outputs.environment["PRISMA_QUERY_ENGINE_BINARY"] ?? "";
        expect(engine.startsWith(`${PATH}/prisma/node_modules/prisma/query-engine-`)).toBe(true);
        expect(await observe()).toEqual({ outputs, drift: [] });
      } finally {
        mirror.close();
        mirror.closeAllConnections();
      }
    },
    SLOW,
  );

  test("is undone without a trace", async () => {
    const state = { inputs, outputs: { ...inputs, ...outputs } };
    await machinePrismaClient.delete(context, inputs.python, state);
    await machinePrismaClient.delete(context, inputs.python, state);
    const { python } = inputs;
    expect((await observe()).drift).toEqual(["schemaSha256"]);
    await machinePythonEnvironment.delete(context, PATH, {
      inputs: environment,
      outputs: { ...environment, python, pythonVersion: "", installedSha256: "" },
    });
    expect(
      await machine.script("ls -A /opt/litellm; ls -A /root/.cache /root/.local 2>&1 || :"),
    ).toBe(
      "bin\nls: cannot access '/root/.cache': No such file or directory\nls: cannot access '/root/.local': No such file or directory\n",
    );
  });
});

/** A mirror of Prisma's download host whose engines answer to `--version` only. */
function createMirror() {
  const engine = Buffer.from(`#!/bin/sh\necho "query-engine ${ENGINE_COMMIT}"\n`);
  const files: Record<string, Buffer> = { "": engine, ".gz": gzipSync(engine) };
  return createServer(({ url = "" }, response) => {
    const [, kind = "", checksum] = /\/(?:query|schema)-engine(\.gz)?(\.sha256)?$/.exec(url) ?? [];
    const file = files[kind];
    response.end(
      checksum === undefined || file === undefined
        ? file
        : createHash("sha256").update(file).digest("hex"),
    );
  });
}
