import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

import { z } from "zod";

import { connection, formatMachine, formatSsh } from "./connection.ts";
import { Observation } from "./observation.ts";
import {
  COMMENT_OUT,
  DROP,
  MAKE,
  OBSERVE,
  RELOAD_AND_OBSERVE,
  RETIRE,
  SET_UP_UNIT,
  SQL,
  START,
  WRITE,
} from "./postgres-scripts.ts";
import {
  deriveMemorySettings,
  parsePostgresSettings,
  renderPostgresSettings,
} from "./postgres-settings.ts";
import type { CheckFailure, OperationContext, ResourceDefinition } from "../resource.ts";
import { computeScramVerifier, isVerifierOf } from "./scram-verifier.ts";
import { MachineCommandError } from "./ssh-failure.ts";
import { openSession, type Result, type RunOptions, type Session } from "./session.ts";

const inputs = z.strictObject({
  connection,
  version: z.int().meta({ description: "Major version, such as 17." }),
  cluster: z
    .string()
    .regex(/^[a-z0-9_]+$/)
    .default("main"),
  port: z.int().min(1).max(65_535).default(5432),
  settings: z
    .record(
      z.string().regex(/^[a-z_][a-z0-9_.]*$/, "must be the name of a setting, in lower case"),
      z.string().regex(/^[^\r\n\0]*$/, "must be one line"),
    )
    .default({})
    .meta({ description: "Settings of PostgreSQL; they win over those that follow from memory." }),
  memoryMegabytes: z.number().min(64).optional().meta({
    description: "Memory that PostgreSQL may plan with. Default: all that the machine has.",
  }),
  hba: z.string().meta({
    description:
      "pg_hba.conf: who may connect from where. Before it goes a line that lets the machine's user postgres in by the local socket.",
  }),
  superuserPassword: z.string().min(1).meta({ description: "Of the role postgres." }),
  certificate: z.string().min(1).meta({ description: "Of the server, PEM, with its chain." }),
  privateKey: z.string().min(1).meta({ description: "Of that certificate, PEM." }),
  keepData: z.boolean().default(true).meta({
    description:
      "Deleting it leaves data and configuration, stopped; a later deployment takes them over.",
  }),
  startDeadlineSeconds: z.number().positive().default(300).meta({
    description: "Longest time until the server answers, recovery after a crash included.",
  }),
});

export type PostgresServiceInputs = z.output<typeof inputs>;

export interface PostgresServiceOutputs {
  readonly dataDirectory: string;
  /** Of the cluster: a new one, of the same name too, has another. */
  readonly systemIdentifier: string;
  /** Such as `17.6`; empty while the server does not run. */
  readonly serverVersion: string;
  /** Memory that the machine has. */
  readonly memoryMegabytes: number;
  readonly running: boolean;
  /** Whether it starts with the machine. */
  readonly enabled: boolean;
  /** What is not as it must be beside the inputs, each in a sentence; `up` mends it. */
  readonly problems: readonly string[];
}

/** Names of settings that are said elsewhere among the inputs, or are Debian's business. */
const RESERVED = ["port", "ssl", "ssl_cert_file", "ssl_key_file", "hba_file", "config_file"];
RESERVED.push("data_directory", "ident_file", "external_pid_file");

/** Debian's own unit leaves a server that was killed down. */
const RESTART = `# Written by the deployment.
[Unit]
StartLimitIntervalSec=0

[Service]
Restart=on-failure
RestartSec=1
`;

const HBA_HEADER = `# Written by the deployment: edits are undone. Edit the stack's settings instead.
local  all  "postgres"  peer
`;

const MAKE_DEADLINE_SECONDS = 300;
const STOP_DEADLINE_SECONDS = 300;
const RELOAD_MILLISECONDS = 10_000;
const RELOAD_POLL_MILLISECONDS = 200;

/**
 * A PostgreSQL server on a machine: a cluster as Debian's tools keep it, with settings, access rules,
 * certificate and superuser's password as they must be. A server that runs is reloaded where that is
 * enough, and a change that it would not start with is taken back.
 */
export const postgresService = {
  token: "litellm:ssh:PostgresService",
  inputs,
  computedOutputs: [
    ...["dataDirectory", "systemIdentifier", "serverVersion", "running", "enabled", "problems"],
    "memoryMegabytes",
  ] as (keyof PostgresServiceOutputs)[],
  volatileOutputs: ["serverVersion", "running", "enabled", "problems"],
  locatedBy: ["connection"],
  observeBeforeUpdate: true,

  check: (inputs, previous) => [...checkSettings(inputs), ...checkIdentity(inputs, previous)],

  async create(context, inputs) {
    return { id: identify(inputs), outputs: await new Server(context, inputs).ensure() };
  },

  async read(context, _id, { inputs }) {
    if (inputs.connection === undefined || inputs.privateKey === undefined) {
      return undefined; // cannot be imported: nobody knows the superuser's password
    }
    const known = inputs as PostgresServiceInputs;
    const found = await new Server(context, known).observe();
    if (!found.isInstalled || !found.exists || !found.isOurs) {
      return undefined;
    }
    return { inputs: describeInputs(known, found), outputs: toOutputs(known, found) };
  },

  update: (context, _id, { inputs }) => new Server(context, inputs).ensure(),

  async delete(context, id, { inputs }) {
    // Pulumi deletes what was replaced or renamed last, when the same cluster is in use again.
    if (!ensured.has(`${inputs.connection.host} ${id}`)) {
      await new Server(context, inputs).remove();
    }
  },

  drift: ({ running, enabled, problems }) => [
    ...(running ? [] : (["running"] as const)),
    ...(enabled ? [] : (["enabled"] as const)),
    ...(problems.length === 0 ? [] : (["problems"] as const)),
  ],
} satisfies ResourceDefinition<PostgresServiceInputs, PostgresServiceOutputs>;

/** What this deployment has made. */
const ensured = new Set<string>();

const identify = ({ version, cluster }: PostgresServiceInputs): string => `${version}/${cluster}`;

function* checkSettings(inputs: PostgresServiceInputs): Generator<CheckFailure> {
  for (const name of RESERVED.filter((each) => each in inputs.settings)) {
    yield { property: `settings.${name}`, reason: "is set by the deployment itself; leave it out" };
  }
}

function* checkIdentity(
  inputs: PostgresServiceInputs,
  previous: PostgresServiceInputs | undefined,
): Generator<CheckFailure> {
  for (const property of ["version", "cluster"] as const) {
    if (previous !== undefined && previous[property] !== inputs[property]) {
      yield {
        property,
        reason: `data cannot be moved from ${identify(previous)} to ${identify(inputs)} like this; dump it, destroy, and restore it into the new one: pg_dump`,
      };
    }
  }
}

/** What the server itself says. */
interface Answers {
  readonly version: string;
  readonly checksums: string;
  readonly encoding: string;
  readonly collation: string;
  readonly verifier: string;
  /** Names of databases that PostgreSQL has not made itself. */
  readonly databases: readonly string[];
  /** How many tables and roles PostgreSQL has not made itself, outside of these databases. */
  readonly objects: number;
  readonly errors: readonly string[];
  readonly hbaErrors: readonly string[];
  /** Settings that wait for a restart. */
  readonly waiting: readonly string[];
  /** Settings of ALTER SYSTEM. */
  readonly altered: readonly string[];
  /** Lines of other files that win over ours. */
  readonly overriding: readonly {
    readonly name: string;
    readonly file: string;
    readonly line: number;
  }[];
}

interface Found {
  readonly isInstalled: boolean;
  /** Whether there is a complete cluster. */
  readonly exists: boolean;
  /** Whether a deployment has set it up. */
  readonly isOurs: boolean;
  readonly memoryMegabytes: number;
  readonly dataDirectory: string;
  readonly systemIdentifier: string;
  readonly settings: string | undefined;
  readonly hba: string | undefined;
  readonly certificate: string | undefined;
  /** SHA-256 of the private key's file. */
  readonly keySha256: string;
  /** Names of further settings files. */
  readonly files: readonly string[];
  readonly isActive: boolean;
  readonly isEnabled: boolean;
  readonly hasRestart: boolean;
  readonly overrides: readonly string[];
  /** Undefined while the server does not answer. */
  readonly answers: Answers | undefined;
}

function renderSettings(inputs: PostgresServiceInputs, found: Found): string {
  return renderPostgresSettings({ ...deriveSettings(inputs, found), ...inputs.settings });
}

function deriveSettings(
  { version, cluster, port, memoryMegabytes }: PostgresServiceInputs,
  found: Found,
): Record<string, string> {
  const folder = `/etc/postgresql/${version}/${cluster}`;
  return {
    ...deriveMemorySettings(memoryMegabytes ?? found.memoryMegabytes),
    port: String(port),
    ssl: "on",
    ssl_cert_file: `${folder}/litellm.crt`,
    ssl_key_file: `${folder}/litellm.key`,
    ssl_min_protocol_version: "TLSv1.2",
    password_encryption: "scram-sha-256",
    log_statement: "none",
  };
}

/** The inputs as they are on the machine, so that a preview shows what somebody has edited. */
function describeInputs(known: PostgresServiceInputs, found: Found): PostgresServiceInputs {
  const { hba = "", certificate = "" } = found;
  return {
    ...known,
    settings: describeSettings(known, found),
    hba: hba.startsWith(HBA_HEADER) ? hba.slice(HBA_HEADER.length) : hba,
    certificate,
  };
}

function describeSettings(known: PostgresServiceInputs, found: Found): Record<string, string> {
  if (found.settings === renderSettings(known, found)) {
    return known.settings;
  }
  const derived = deriveSettings(known, found);
  const isKnown = (name: string, value: string) =>
    !(name in known.settings) && derived[name] === value;
  const values = parsePostgresSettings(found.settings ?? "");
  return Object.fromEntries(
    Object.entries(values).filter(([name, value]) => !isKnown(name, value)),
  );
}

function toOutputs(inputs: PostgresServiceInputs, found: Found): PostgresServiceOutputs {
  return {
    dataDirectory: found.dataDirectory,
    systemIdentifier: found.systemIdentifier,
    serverVersion: found.answers?.version ?? "",
    memoryMegabytes: found.memoryMegabytes,
    running: found.isActive,
    enabled: found.isEnabled,
    problems: listProblems(inputs, found),
  };
}

function listProblems(inputs: PostgresServiceInputs, found: Found): string[] {
  const { answers } = found;
  const says = (condition: boolean, text: string) => (condition ? [text] : []);
  return [
    ...says(found.settings !== renderSettings(inputs, found), "conf.d/litellm.conf was edited"),
    ...says(!(found.hba ?? "").startsWith(HBA_HEADER), "pg_hba.conf was edited"),
    ...says(found.keySha256 !== hash(inputs.privateKey), "another private key is there"),
    ...says(!found.hasRestart, "a killed server would stay down"),
    ...found.overrides.map((path) => `${path} changes the unit`),
    ...(answers === undefined
      ? says(found.isActive, "the server does not let the deployment in")
      : [
          ...says(
            !isVerifierOf(answers.verifier, inputs.superuserPassword),
            "the superuser has another password",
          ),
          ...answers.altered.map((name) => `${name} was set by ALTER SYSTEM`),
          ...answers.overriding.map(
            ({ name, file, line }) => `${name} is set otherwise by ${file}, line ${line}`,
          ),
          ...answers.waiting.map((name) => `${name} waits for a restart`),
          ...answers.errors,
          ...answers.hbaErrors.map((error) => `pg_hba.conf, ${error}`),
        ]),
  ];
}

/** A file of the cluster that is ours. */
interface ServerFile {
  readonly name: "key" | "certificate" | "settings" | "hba";
  readonly text: string;
  /** What is there; undefined for nothing. */
  readonly old?: string | undefined;
  /** Default: what is there is the text. */
  readonly isThere?: boolean;
}

const hash = (text: string): string => createHash("sha256").update(text).digest("hex");

class Server {
  readonly #context: OperationContext;
  readonly #inputs: PostgresServiceInputs;
  readonly #session: Session;
  readonly #machine: string;

  constructor(context: OperationContext, inputs: PostgresServiceInputs) {
    this.#context = context;
    this.#inputs = inputs;
    this.#session = openSession(inputs.connection, context.signal);
    this.#machine = formatMachine(inputs.connection);
  }

  /** @param script that observes */
  async observe(script = OBSERVE): Promise<Found> {
    const observation = new Observation(await this.#run(script));
    const unit = observation.record("unit");
    const server = observation.word("server");
    return {
      isInstalled: observation.word("installed") === "yes",
      exists: observation.word("cluster") === "yes",
      isOurs: observation.word("ours") === "yes" || observation.find("settings") !== undefined,
      memoryMegabytes: readMemory(observation),
      dataDirectory: observation.word("data"),
      systemIdentifier: observation.word("identifier"),
      settings: observation.find("settings"),
      hba: observation.find("hba"),
      certificate: observation.find("certificate"),
      keySha256: observation.word("key").split(/\s/)[0] ?? "",
      files: observation.lines("files"),
      // When the machine has just started, the server answers a little before systemd knows.
      isActive: server !== "" || ["active", "reloading"].includes(unit["ActiveState"] ?? ""),
      isEnabled: observation.word("start") === "auto" && observation.word("enabled") === "enabled",
      hasRestart: observation.find("restart") === RESTART && unit["NeedDaemonReload"] === "no",
      overrides: observation.lines("overrides"),
      answers: server === "" ? undefined : (JSON.parse(server) as Answers),
    };
  }

  /** Makes the server what it must be, and changes nothing that is so already. */
  async ensure(): Promise<PostgresServiceOutputs> {
    this.#checkCertificate();
    const before = await this.#provideCluster();
    ensured.add(`${this.#inputs.connection.host} ${identify(this.#inputs)}`);
    await this.#setUpUnit(before);
    let found = await this.#settle(await this.#applyFiles(before));
    if (!isVerifierOf(found.answers?.verifier ?? "", this.#inputs.superuserPassword)) {
      await this.#setPassword();
      found = await this.observe();
    }
    const outputs = toOutputs(this.#inputs, found);
    if (outputs.problems.length > 0 || !outputs.running) {
      throw new Error(
        `PostgreSQL on ${this.#machine} is not as it must be: ${outputs.problems.join("; ") || "it does not run"}; see: ${this.#see(`sudo tail ${this.#log}`)}`,
      );
    }
    return outputs;
  }

  async remove(): Promise<void> {
    const { isOurs, exists } = await this.observe();
    if (!isOurs || !exists) {
      return;
    }
    await this.#run(this.#inputs.keepData ? RETIRE : DROP, {
      deadlineSeconds: STOP_DEADLINE_SECONDS,
    });
  }

  #checkCertificate(): void {
    const { certificate, privateKey } = this.#inputs;
    let fits: boolean;
    try {
      fits = new X509Certificate(certificate).checkPrivateKey(createPrivateKey(privateKey));
    } catch {
      throw new Error("the server's certificate or its private key is not PEM; give both as PEM");
    }
    if (!fits) {
      throw new Error(
        "the server's private key is not that of its certificate; give the two that belong together",
      );
    }
  }

  /** @throws Error when there is a cluster with data that no deployment has set up */
  async #provideCluster(): Promise<Found> {
    const { version, cluster, port } = this.#inputs;
    let found = await this.observe();
    if (!found.isInstalled) {
      throw new Error(
        `${this.#machine} has no PostgreSQL ${version}; install it: ${this.#see(`sudo apt-get install postgresql-${version}`)}`,
      );
    }
    if (found.exists && found.isOurs) {
      return found;
    }
    if (found.exists) {
      if (found.answers === undefined) {
        await this.#start("start");
        found = await this.observe();
      }
      this.#refuseForeign(found);
      if (isSuitable(found.answers)) {
        return found;
      }
      this.#context.log(`making the empty cluster ${identify(this.#inputs)} anew, with checksums`, {
        ephemeral: true,
      });
      await this.#run(DROP, { deadlineSeconds: STOP_DEADLINE_SECONDS });
    }
    this.#context.log(`making the cluster ${identify(this.#inputs)}`, { ephemeral: true });
    const made = await this.#try(MAKE, {
      arguments: [String(port)],
      deadlineSeconds: MAKE_DEADLINE_SECONDS,
    });
    if (made.code !== 0) {
      throw new Error(
        `PostgreSQL's cluster ${cluster} could not be made on ${this.#machine}: ${lastLines(made.stderr)}\n` +
          (made.code === HOLDS_DATA
            ? `set the data aside, or bring its configuration back to /etc/postgresql/${version}/${cluster}: ${this.#see(`sudo mv ${found.dataDirectory} ${found.dataDirectory}.old`)}`
            : `see: ${this.#see("df -h /var/lib/postgresql; pg_lsclusters")}`),
      );
    }
    return this.observe();
  }

  #refuseForeign({ answers, files }: Found): void {
    const isUntouched =
      answers?.databases.length === 0 && answers.objects === 0 && files.length === 0;
    if (isUntouched) {
      return;
    }
    const what =
      answers === undefined
        ? "that does not answer"
        : answers.databases.length > 0
          ? `with the databases ${answers.databases.join(", ")}`
          : "that somebody has set up";
    throw new Error(
      `${this.#machine} has a PostgreSQL cluster ${identify(this.#inputs)} already ${what}, which this deployment has not made; ` +
        `use a machine of its own, or, when its data may go: ${this.#see(`sudo pg_dropcluster --stop ${this.#inputs.version} ${this.#inputs.cluster}`)}`,
    );
  }

  async #setUpUnit({ hasRestart, isEnabled, overrides }: Found): Promise<void> {
    if (hasRestart && isEnabled && overrides.length === 0) {
      return;
    }
    if (overrides.length > 0) {
      this.#context.log(`removing ${overrides.join(", ")}`);
    }
    await this.#run(SET_UP_UNIT, { arguments: overrides, input: RESTART });
  }

  /** Writes the files that differ, and has them read; takes them back when they do not serve. */
  async #applyFiles(before: Found): Promise<Found> {
    const { certificate, privateKey } = this.#inputs;
    const files: readonly ServerFile[] = [
      { name: "key", text: privateKey, isThere: before.keySha256 === hash(privateKey) },
      { name: "certificate", text: certificate, old: before.certificate },
      { name: "settings", text: renderSettings(this.#inputs, before), old: before.settings },
      { name: "hba", text: HBA_HEADER + this.#inputs.hba, old: before.hba },
    ];
    const changed = files.filter(({ text, old, isThere = text === old }) => !isThere);
    const takeBack = async (...names: readonly ServerFile["name"][]) => {
      await this.#write(
        changed.flatMap(({ name, old }) =>
          names.includes(name) && old !== undefined ? [{ name, text: old }] : [],
        ),
      );
    };
    const test = await this.#write(changed);
    if (test.code !== 0) {
      await takeBack("settings", "hba");
      throw this.#refuse("the settings", lastLines(test.stderr));
    }
    try {
      return await this.#serve(before);
    } catch (error) {
      this.#context.signal.throwIfAborted();
      await takeBack("settings");
      if (before.isActive && !(await this.observe()).isActive) {
        // Without the rules that somebody may have spoilt; where they were not, with them.
        await this.#start("start").catch(() => undefined);
      }
      await takeBack("hba");
      if (before.isActive) {
        const { isActive } = await this.observe();
        // The first error is the one to tell.
        await (isActive ? this.observe(RELOAD_AND_OBSERVE) : this.#start("start")).catch(
          () => undefined,
        );
      }
      throw error;
    }
  }

  /** Has the server run with the files that are there. */
  async #serve(before: Found): Promise<Found> {
    if (!before.isActive) {
      await this.#start("start");
      return this.observe();
    }
    const found = await this.#reload();
    const { hbaErrors = [], waiting = [] } = found.answers ?? {};
    if (hbaErrors.length > 0) {
      throw this.#refuse("pg_hba.conf", hbaErrors.join("\n"));
    }
    if (found.answers !== undefined && waiting.length === 0) {
      return found;
    }
    this.#context.log(`restarting PostgreSQL for ${waiting.join(", ") || "its access rules"}`);
    await this.#start("restart");
    return this.observe();
  }

  /** The rules may have locked us out, until the server has read the new ones. */
  async #reload(): Promise<Found> {
    const deadline = Date.now() + RELOAD_MILLISECONDS;
    let found = await this.observe(RELOAD_AND_OBSERVE);
    while (found.answers === undefined && Date.now() < deadline) {
      await sleep(RELOAD_POLL_MILLISECONDS, undefined, { signal: this.#context.signal });
      found = await this.observe();
    }
    return found;
  }

  /** Undoes what others have set elsewhere. */
  async #settle(found: Found): Promise<Found> {
    const { altered = [], overriding = [], waiting = [] } = found.answers ?? {};
    if (altered.length === 0 && overriding.length === 0 && waiting.length === 0) {
      return found;
    }
    if (altered.length > 0) {
      this.#context.log(`undoing ALTER SYSTEM of ${altered.join(", ")}`);
      await this.#run(SQL, { input: "ALTER SYSTEM RESET ALL;" });
    }
    if (overriding.length > 0) {
      const lines = overriding.map(({ file, line }) => `${file}, line ${line}`);
      this.#context.log(`taking out ${[...new Set(lines)].join("; ")}`);
      await this.#run(COMMENT_OUT, {
        arguments: overriding.flatMap(({ file, line }) => [file, String(line)]),
      });
    }
    const after = await this.#reload();
    if ((after.answers?.waiting.length ?? 0) === 0) {
      return after;
    }
    await this.#start("restart");
    return this.observe();
  }

  /** Without a trace in PostgreSQL's log, whatever it is told to log. */
  async #setPassword(): Promise<void> {
    const verifier = computeScramVerifier(this.#inputs.superuserPassword);
    await this.#run(SQL, {
      input: [
        "SET log_statement = 'none';",
        "SET log_min_duration_statement = -1;",
        "SET log_min_error_statement = 'panic';",
        `ALTER ROLE postgres PASSWORD '${verifier}';`,
      ].join("\n"),
    });
  }

  async #start(verb: "start" | "restart"): Promise<void> {
    const { startDeadlineSeconds } = this.#inputs;
    this.#context.log(`${verb}ing PostgreSQL`, { ephemeral: true });
    const { code, stdout, stderr } = await this.#try(START, {
      arguments: [verb, String(startDeadlineSeconds)],
      deadlineSeconds: 2 * startDeadlineSeconds + STOP_DEADLINE_SECONDS,
    });
    if (code !== 0) {
      throw new Error(
        `PostgreSQL on ${this.#machine} does not start:\n${lastLines(stdout.trim() === "" ? stderr : stdout)}\n` +
          `see: ${this.#see(`sudo tail ${this.#log}`)}`,
      );
    }
  }

  #refuse(what: string, reason: string): Error {
    return new Error(
      `PostgreSQL on ${this.#machine} refuses ${what}, and keeps the old:\n${reason}\ncorrect them in the stack's settings, and run again: pulumi up`,
    );
  }

  /** @throws nothing for settings that PostgreSQL refuses: that is a result */
  async #write(files: readonly Pick<ServerFile, "name" | "text">[]): Promise<Result> {
    if (files.length === 0) {
      return { code: 0, stdout: "", stderr: "" };
    }
    const lines = files.map(
      ({ name, text }) => `${name} ${Buffer.from(text).toString("base64")}\n`,
    );
    const result = await this.#try(WRITE, { input: lines.join("") });
    if (result.code !== 0 && result.code !== REFUSED) {
      throw new MachineCommandError(this.#inputs.connection, result);
    }
    return result;
  }

  #run(script: string, options: RunOptions = {}): Promise<string> {
    return this.#session.run(script, this.#withCluster(options));
  }

  #try(script: string, options: RunOptions = {}): Promise<Result> {
    return this.#session.try(script, this.#withCluster(options));
  }

  #withCluster(options: RunOptions): RunOptions {
    const { version, cluster } = this.#inputs;
    return { ...options, arguments: [String(version), cluster, ...(options.arguments ?? [])] };
  }

  get #log(): string {
    const { version, cluster } = this.#inputs;
    return `/var/log/postgresql/postgresql-${version}-${cluster}.log`;
  }

  #see(command: string): string {
    return formatSsh(this.#inputs.connection, command);
  }
}

/** Status of the script that makes a cluster. */
const HOLDS_DATA = 3;
/** Status of the script that writes files. */
const REFUSED = 4;

/** A machine that is a container may have less than its kernel says. */
function readMemory(observation: Observation): number {
  const total = Number(/^MemTotal:\s+(\d+) kB/m.exec(observation.word("memory"))?.[1] ?? 0) * 1024;
  const limit = Number(observation.word("limit"));
  return Math.floor((limit > 0 ? Math.min(total, limit) : total) / (1 << 20));
}

function isSuitable(answers: Answers | undefined): boolean {
  return answers?.checksums === "on" && answers.encoding === "UTF8" && answers.collation === "C";
}

function lastLines(text: string, count = 12): string {
  return text.trim().split("\n").slice(-count).join("\n");
}
