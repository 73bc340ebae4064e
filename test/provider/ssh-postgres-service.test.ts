import pg from "pg";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import type { ResourceDefinition } from "../../components/provider/resource.ts";
import { planChanges } from "../../components/provider/server/diff.ts";
import { aptPackages } from "../../components/provider/ssh/apt-packages.ts";
import { connection } from "../../components/provider/ssh/connection.ts";
import { postgresService } from "../../components/provider/ssh/postgres-service.ts";
import { closeSessions } from "../../components/provider/ssh/session.ts";
import {
  createAuthority,
  issueCertificate,
  type KeyAndCertificate,
} from "../../components/provider/tls/x509.ts";
import { labEnvironment } from "../lab/environment.ts";
import {
  createNetwork,
  labMachines,
  startMachine,
  type LabNetwork,
  type Machine,
} from "../lab/machine.ts";
import { operationContext } from "../support/operation-context.ts";

const lab = labMachines();
const { context } = operationContext();

const PASSWORD = "pass word's \\ 100%";
const UNIT = "postgresql@17-main.service";
const CONFIGURATION = "/etc/postgresql/17/main";

describe.skipIf(!lab.available)(`PostgreSQL on a machine (${lab.reason})`, () => {
  let network: LabNetwork;
  let machine: Machine;
  let authority: KeyAndCertificate;
  let server: KeyAndCertificate;

  const issue = () => issueCertificate(authority, [machine.address], 30);
  const parse = (changes: object = {}) =>
    postgresService.inputs.parse({
      connection: connection.parse(machine.connection()),
      version: 17,
      settings: { listen_addresses: `127.0.0.1,${machine.address}`, max_connections: "40" },
      memoryMegabytes: 512,
      hba: `hostssl  all  all  ${network.address(1)}/32  scram-sha-256\n`,
      superuserPassword: PASSWORD,
      certificate: server.certificate,
      privateKey: server.privateKey,
      startDeadlineSeconds: 60,
      ...changes,
    });
  type Inputs = ReturnType<typeof parse>;
  const read = (inputs: Inputs) =>
    postgresService.read(context, "17/main", { inputs, outputs: {} });
  /** What a preview shows, as `path kind`, and what it says of the problems. */
  const preview = async (inputs = parse()) => {
    const state = { inputs, outputs: inputs };
    const definition = postgresService as unknown as ResourceDefinition;
    const observed = await read(inputs);
    const changes = planChanges(
      definition,
      { recorded: state, observed: observed as never, inputs },
      [],
    );
    return [
      ...changes.map(({ path, kind }) => `${path.join(".")} ${kind}`),
      ...(observed?.outputs.problems ?? []),
    ];
  };
  const update = async (inputs = parse(), previousInputs = inputs) => {
    const updated = await postgresService.update(context, "17/main", {
      inputs,
      previousInputs,
      outputs: { ...previousInputs, ...(await read(previousInputs))?.outputs } as never,
    });
    expect(await preview(inputs)).toEqual([]);
    return updated;
  };
  /** Of another deployment: what one has made itself it does not delete again. */
  const remove = async (inputs: Inputs) => {
    vi.resetModules();
    const later = await import("../../components/provider/ssh/postgres-service.ts");
    await later.postgresService.delete(context, "17/main", { inputs, outputs: inputs as never });
    await (await import("../../components/provider/ssh/session.ts")).closeSessions();
  };
  const query = async (sql: string, { password = PASSWORD, ssl = true } = {}) => {
    const client = new pg.Client({
      ...{ host: machine.address, user: "postgres", database: "postgres", password },
      ssl: ssl && { ca: authority.certificate },
    });
    await client.connect();
    try {
      return (await client.query<Record<string, string>>(sql)).rows;
    } finally {
      await client.end();
    }
  };
  const show = async (name: string) => (await query(`SHOW ${name}`))[0]?.[name];
  const mainProcess = () => machine.script(`systemctl show -P MainPID ${UNIT}`);
  const asPostgres = (sql: string) => machine.script(`runuser -u postgres -- psql -XAtqc "${sql}"`);

  beforeAll(async () => {
    for (const [name, value] of Object.entries(labEnvironment())) vi.stubEnv(name, value);
    network = await createNetwork(`postgres-${process.pid}`);
    machine = await startMachine(`postgres-${process.pid}`, {
      network,
      address: network.address(19),
    });
    authority = await createAuthority("Authority of a test", 30);
    server = await issue();
    const packages = aptPackages.inputs.parse({
      connection: connection.parse(machine.connection()),
      packages: ["postgresql-17"],
    });
    await expect(postgresService.create(context, parse())).rejects.toThrow(
      "has no PostgreSQL 17; install it: ssh",
    );
    const { outputs } = await aptPackages.create(context, packages);
    expect(outputs.added).toContain("postgresql-17");
    expect(outputs.versions["postgresql-17"]).toMatch(/^17\./);
  });

  afterAll(async () => {
    await closeSessions();
    await machine.remove();
    await network.remove();
  });

  test("is set up as it must be, and then nothing changes it", async () => {
    expect(await read(parse())).toBeUndefined();
    const { id, outputs } = await postgresService.create(context, parse());
    expect(id).toBe("17/main");
    expect(outputs).toMatchObject({
      dataDirectory: "/var/lib/postgresql/17/main",
      serverVersion: expect.stringMatching(/^17\.\d+/) as string,
      running: true,
      enabled: true,
      problems: [],
    });
    expect(outputs.memoryMegabytes).toBeGreaterThan(500);
    expect(await preview()).toEqual([]);
    expect(
      await query(
        `SELECT pg_encoding_to_char(encoding) AS encoding, datcollate,
          current_setting('data_checksums') AS checksums, current_setting('shared_buffers') AS buffers,
          current_setting('effective_cache_size') AS cache, current_setting('max_connections') AS max
         FROM pg_database WHERE datname = 'template0'`,
      ),
    ).toEqual([
      {
        encoding: "UTF8",
        datcollate: "C",
        checksums: "on",
        buffers: "128MB",
        cache: "384MB",
        max: "40",
      },
    ]);
    await expect(query("SELECT 1", { ssl: false })).rejects.toThrow("no pg_hba.conf entry");
    await expect(query("SELECT 1", { password: "wrong" })).rejects.toThrow(
      "password authentication failed",
    );
    expect(
      await machine.script(
        `cd ${CONFIGURATION}; stat -c '%n %a %U' litellm.* pg_hba.conf conf.d/*`,
      ),
    ).toBe(
      "litellm.crt 644 postgres\nlitellm.key 600 postgres\npg_hba.conf 640 postgres\nconf.d/litellm.conf 644 postgres\n",
    );
    const process = await mainProcess();
    await update();
    expect(await mainProcess()).toBe(process);
  });

  test("is reloaded for passwords, certificates and access rules, and restarted for what needs it", async () => {
    const before = await mainProcess();
    const another = { ...(await issue()) };
    const changed = parse({
      superuserPassword: "another",
      certificate: another.certificate,
      privateKey: another.privateKey,
      hba: `hostssl  all  all  ${network.subnet}  scram-sha-256\n`,
      settings: { ...parse().settings, work_mem: "5MB" },
    });
    await update(changed, parse());
    expect(await mainProcess()).toBe(before);
    expect(await query("SHOW work_mem", { password: "another" })).toEqual([{ work_mem: "5MB" }]);
    server = another;
    await update(parse({ settings: { ...parse().settings, max_connections: "50" } }), changed);
    expect(await mainProcess()).not.toBe(before);
    expect(await show("max_connections")).toBe("50");
    await update();
    const log = await machine.script("cat /var/log/postgresql/postgresql-17-main.log");
    expect(log).not.toMatch(/SCRAM|another|pass word/);
  });

  test("shows and mends what somebody has done to it", async () => {
    const mends = async (deed: string, ...shown: string[]) => {
      await machine.script(deed);
      expect(await preview()).toEqual(shown);
      await update();
    };
    await mends(
      `sed -i "s/^max_connections.*/max_connections = 70/" ${CONFIGURATION}/conf.d/litellm.conf
      echo 'host all all 0.0.0.0/0 trust' >>${CONFIGURATION}/pg_hba.conf; systemctl reload ${UNIT}`,
      ...["settings.max_connections update", "hba update", "problems update"],
      ...["conf.d/litellm.conf was edited", "max_connections waits for a restart"],
    );
    expect(await show("max_connections")).toBe("40");
    await mends(
      `runuser -u postgres -- psql -Xqc "ALTER SYSTEM SET work_mem = '7MB'" -c "ALTER ROLE postgres PASSWORD 'theirs'"
      echo "shared_buffers = 64MB" >>${CONFIGURATION}/postgresql.conf
      mkdir /etc/systemd/system/${UNIT}.d -p; printf '[Service]\\nRestart=no\\n' >/etc/systemd/system/${UNIT}.d/z.conf
      systemctl daemon-reload`,
      ...["problems update", `/etc/systemd/system/${UNIT}.d/z.conf changes the unit`],
      ...["the superuser has another password", "work_mem was set by ALTER SYSTEM"],
      `shared_buffers is set otherwise by ${CONFIGURATION}/postgresql.conf, line ${await countLines()}`,
      "shared_buffers waits for a restart",
    );
    expect(await show("work_mem")).toBe("4MB");
    expect(await show("shared_buffers")).toBe("128MB");
    await mends(
      `systemctl stop ${UNIT}; echo manual >${CONFIGURATION}/start.conf; echo >${CONFIGURATION}/pg_hba.conf`,
      ...["hba update", "running update", "enabled update", "problems update"],
      "pg_hba.conf was edited",
    );
    const process = await mainProcess();
    await mends(
      `echo 'host all all 127.0.0.1/32 reject' >${CONFIGURATION}/pg_hba.conf; systemctl reload ${UNIT}; sleep 0.5`,
      ...["hba update", "problems update", "pg_hba.conf was edited"],
      "the server does not let the deployment in",
    );
    expect(await mainProcess()).toBe(process);
  });

  /** Number of the line that is added to the main file next. */
  const countLines = async () =>
    Number(await machine.script(`wc -l <${CONFIGURATION}/postgresql.conf`)) + 1;

  test("keeps serving when it is told something wrong", async () => {
    const process = await mainProcess();
    await expect(
      update(parse({ settings: { ...parse().settings, work_mem: "plenty" } }), parse()),
    ).rejects.toThrow(/refuses the settings, and keeps the old:\n(.*\n)*.*"work_mem"/);
    await expect(
      update(parse({ hba: "hostssl all all nowhere/x none\n" }), parse()),
    ).rejects.toThrow(/refuses pg_hba\.conf, and keeps the old:\nline 3: /);
    expect(await mainProcess()).toBe(process);
    // Right in itself, and found out by the start alone.
    await expect(
      update(parse({ settings: { ...parse().settings, listen_addresses: "192.0.2.1" } }), parse()),
    ).rejects.toThrow(/does not start:\n(.*\n)*.*could not/);
    expect(await preview()).toEqual([]);
    await expect(
      update(parse({ privateKey: (await issue()).privateKey }), parse()),
    ).rejects.toThrow("is not that of its certificate");
    expect(
      postgresService.check(parse({ settings: { port: "1" } }), parse({ version: 16 })),
    ).toEqual([
      expect.objectContaining({ property: "settings.port" }),
      expect.objectContaining({ property: "version" }),
    ]);
  });

  test("comes back when it is killed, and when the machine is started again", async () => {
    await machine.script(`systemctl kill --kill-whom=main --signal=KILL ${UNIT}`);
    await expect.poll(() => query("SELECT 1").catch(() => []), { timeout: 30_000 }).toHaveLength(1);
    await machine.reboot();
    await expect.poll(() => query("SELECT 1").catch(() => []), { timeout: 30_000 }).toHaveLength(1);
    expect(await preview()).toEqual([]);
  });

  test("is left with its data when that is to be kept, and taken over again", async () => {
    await asPostgres("CREATE DATABASE kept");
    await remove(parse());
    expect(await machine.script(`systemctl is-active ${UNIT} || :`)).toBe("inactive\n");
    await machine.reboot();
    expect(await machine.script(`systemctl is-active ${UNIT} || :`)).toBe("inactive\n");
    await postgresService.create(context, parse());
    expect(await asPostgres("SELECT count(*) FROM pg_database WHERE datname = 'kept'")).toBe("1\n");
    expect(await preview()).toEqual([]);
  });

  test("goes with its data when told, and refuses data of somebody else", async () => {
    await remove(parse({ keepData: false }));
    expect(
      await machine.script(
        `ls -d /etc/postgresql/17/main /var/lib/postgresql/17/main /etc/systemd/system/${UNIT}.d 2>/dev/null || :`,
      ),
    ).toBe("");
    await remove(parse({ keepData: false }));
    // As an interrupted deployment leaves it.
    await machine.script(
      "mkdir -p /var/lib/postgresql/17/main/base; touch /var/lib/postgresql/.litellm-making-17-main",
    );
    await postgresService.create(context, parse());
    await remove(parse({ keepData: false }));
    await machine.script(
      "pg_createcluster --start 17 main >/dev/null; runuser -u postgres -- createdb theirs",
    );
    await expect(postgresService.create(context, parse())).rejects.toThrow(
      "has a PostgreSQL cluster 17/main already with the databases theirs, which this deployment has not made",
    );
    await machine.script("systemctl stop postgresql@17-main; rm -r /etc/postgresql/17/main");
    await expect(postgresService.create(context, parse())).rejects.toThrow(
      /\/var\/lib\/postgresql\/17\/main holds data already\nset the data aside/,
    );
    await remove(parse());
    expect(await machine.script("ls -A /var/lib/postgresql/17/main")).toContain("base");
  });
});
