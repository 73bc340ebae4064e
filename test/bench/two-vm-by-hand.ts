import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { observeCircumstances } from "../../components/circumstances.ts";
import { formatDatabaseUrl } from "../../components/database-url.ts";
import { planTwoVm } from "../../stacks/plan/two-vm-plan.ts";
import { parseSettings } from "../../stacks/settings/settings.ts";
import { renderStaticKeys } from "../../templates/static-keys.ts";
import { renderSystemdEnvironmentFile } from "../../templates/systemd-environment-file.ts";
import type { Machine } from "../lab/machine.ts";
import { findFreePort } from "../support/ports.ts";
import type { TwoMachines } from "../support/two-machines.ts";
import type { BenchmarkedGateway, Endpoint } from "./benchmark.ts";
import { composeSettings, formatUrl, PROXY_PORT, startBareMachines } from "./two-vm-gateway.ts";

const SCRIPT = join(import.meta.dirname, "by-hand-machines.sh");

/** As the usual runbook has it, without what confines it. */
const renderUnit = (address: string): string => `[Unit]
Description=LiteLLM Gateway with PostgreSQL Backend
After=network-online.target
Wants=network-online.target

[Service]
Type=simple
User=litellm
Group=litellm
WorkingDirectory=/opt/litellm
EnvironmentFile=/etc/litellm/litellm.env
ExecStart=/opt/litellm/venv/bin/litellm --config /etc/litellm/litellm-config.yaml --host ${address} --port ${PROXY_PORT}
Restart=on-failure
RestartSec=5
TimeoutStartSec=300
TimeoutStopSec=30

[Install]
WantedBy=multi-user.target
`;

/** The same gateway on two machines without Pulumi: `by-hand-machines.sh` with the same packages and files. */
export class TwoVmByHand implements BenchmarkedGateway {
  readonly endpoint: Endpoint;
  readonly #machines: TwoMachines;
  readonly #folder: string;
  readonly #environment: NodeJS.ProcessEnv;
  #script: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();

  private constructor(
    machines: TwoMachines,
    folder: string,
    endpoint: Endpoint,
    environment: NodeJS.ProcessEnv,
  ) {
    this.#machines = machines;
    this.#folder = folder;
    this.endpoint = endpoint;
    this.#environment = environment;
  }

  /** Starts the machines, and lays out what an engineer has at hand: files and secrets. */
  static async create(): Promise<TwoVmByHand> {
    const machines = await startBareMachines();
    const folder = mkdtempSync(join(tmpdir(), "by-hand-"));
    try {
      const masterKey = `sk-${generate()}`;
      const environment = layOut(folder, machines, masterKey, await findFreePort());
      return new TwoVmByHand(
        machines,
        folder,
        { url: formatUrl(machines), masterKey },
        { ...process.env, ...environment },
      );
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      await machines.remove();
      throw error;
    }
  }

  launch(): Promise<void> {
    const script = spawn("bash", [SCRIPT], {
      cwd: this.#folder,
      env: this.#environment,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    script.stdout.on("data", (chunk: Buffer) => (output += chunk.toString("utf8")));
    script.stderr.on("data", (chunk: Buffer) => (output += chunk.toString("utf8")));
    const launched = new Promise<void>((succeed, fail) => {
      script.once("error", fail);
      script.once("close", (code) => {
        if (code === 0) succeed();
        else fail(new Error(`${SCRIPT} ended with exit code ${String(code)}:\n${output}`));
      });
    });
    this.#script = script;
    this.#ended = launched.catch(() => undefined);
    return launched;
  }

  async remove(): Promise<void> {
    this.#script?.kill("SIGTERM");
    // What it runs on the machines ends with them.
    await this.#machines.remove();
    await this.#ended;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

const generate = (): string => randomBytes(20).toString("hex");

/** Writes the files that the script takes, and returns its settings. */
function layOut(
  folder: string,
  machines: TwoMachines,
  masterKey: string,
  tunnelPort: number,
): Record<string, string> {
  const { gateway, database } = planGateway(machines, masterKey, tunnelPort);
  const { name, role, proxy } = database;
  const password = generate();
  const url = formatDatabaseUrl({ ...proxy, name, user: role, password, parameters: {} });
  const { variables, secretVariables } = gateway.environment;
  const secrets = Object.entries(secretVariables).map(([variable, secret]) => [
    variable,
    secret === "masterKey" ? masterKey : generate(),
  ]);
  const environment = {
    ...variables,
    ...(Object.fromEntries(secrets) as Record<string, string>),
    REQUEST_LOG_DATABASE_URL: url.replace(/^postgresql:/, "postgresql+psycopg:"),
  };
  const files = {
    ...Object.fromEntries(
      [...gateway.programs, ...gateway.configuration].map(({ path, content }) => [path, content]),
    ),
    ...(gateway.staticKeys !== undefined && { [gateway.staticKeys.path]: renderStaticKeys([]) }),
    [gateway.environment.path]: renderSystemdEnvironmentFile(environment),
    "/opt/litellm/requirements.lock": gateway.python.requirements,
    "/etc/systemd/system/litellm-gateway.service": renderUnit(machines.gateway.address),
  };
  for (const [path, text] of Object.entries(files)) {
    const file = join(folder, "gateway", path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  const hosts = [describeHost("gateway", machines.gateway)];
  hosts.push(describeHost("database", machines.database));
  writeFileSync(join(folder, "ssh_config"), hosts.join("\n"));
  return {
    DATABASE_NAME: name,
    DATABASE_ROLE: role,
    DATABASE_PASSWORD: password,
    GATEWAY_ADDRESS: machines.gateway.address,
  };
}

function planGateway(machines: TwoMachines, masterKey: string, tunnelPort: number) {
  const settings = parseSettings({
    plain: composeSettings(machines, tunnelPort),
    secret: { masterKey },
  });
  const { deployment } = settings;
  if (deployment.topology !== "two-vm") throw new Error("the comparison is with topology two-vm");
  const circumstances = observeCircumstances("by-hand", settings);
  const { gateway, database } = planTwoVm(settings, deployment, circumstances);
  if (database.kind !== "machine") throw new Error("the comparison is with a machine's database");
  return { gateway, database };
}

function describeHost(alias: string, machine: Machine): string {
  const { host, port, user } = machine.connection();
  return [
    `Host ${alias}`,
    `HostName ${host}`,
    `Port ${port}`,
    `User ${user}`,
    `IdentityFile ${join(machine.keys, "id")}`,
    "IdentitiesOnly yes",
    "IdentityAgent none",
    `UserKnownHostsFile ${join(machine.keys, "known_hosts")}`,
    "",
  ].join("\n");
}
