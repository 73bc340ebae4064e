import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { formatDatabaseUrl } from "../../components/database-url.ts";
import { CommandError, runCommand } from "../../components/provider/host/command.ts";
import { runChecks } from "../../components/verification/run-check.ts";
import type { Check } from "../../stacks/plan/checks.ts";
import { renderComposeProject } from "../../templates/docker-compose.ts";
import { parseEnvFile } from "../../templates/env-file.ts";
import { writeProject } from "../../tools/compose/project-folder.ts";
import { docker } from "../lab/docker.ts";
import { dockerEngine } from "../lab/environment.ts";
import { composePlans, planContainers } from "../support/compose-plans.ts";
import { GatewayProject } from "../support/gateway-project.ts";
import type { PulumiProject } from "../support/pulumi-project.ts";

/** Everything that a shell, YAML, .env or Compose itself could take for its own. */
const ODD = `a'b"c\\d $HOME \${X:-y} $$ #e \`f\` %41 \\n\ttab\nline 2: é \\`;
const PROVIDER_KEY = `sk-proj-${ODD}end`;

const engine = dockerEngine();
const checkout = resolve(import.meta.dirname, "../..");

const compose = (folder: string, ...arguments_: string[]): Promise<string> =>
  runCommand("docker", ["compose", ...arguments_], {
    environment: { ...engine.environment, OPENAI_API_KEY: "of the user's shell" },
    folder,
  });

describe.skipIf(!engine.available)(`a written project (${engine.reason})`, () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "compose project "));
  });

  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  test.each(Object.entries(composePlans))("is accepted: %s", async (name, plan) => {
    const { files, secrets } = renderComposeProject(plan());
    const values = Object.fromEntries(secrets.map((secret) => [secret, "value"]));
    writeProject(join(folder, name), files, { values, comment: [] });
    expect(await compose(join(folder, name), "config", "--quiet")).toBe("");
  });

  test("names the secret that is missing", async () => {
    const { files } = renderComposeProject(planContainers({ database: { kind: "none" } }));
    writeProject(join(folder, "missing"), files, { values: {}, comment: [] });
    await expect(compose(join(folder, "missing"), "config")).rejects.toMatchObject({
      output: expect.stringMatching(/variable \w+ is missing a value: set it in \.env/) as string,
    });
  });

  test("hands over any value byte for byte", async () => {
    const piece = fc.oneof(
      fc.constantFrom(
        "$",
        "${A}",
        "$$",
        "\\",
        '"',
        "'",
        "#",
        "\n",
        "\r",
        "\t",
        " ",
        "=",
        "\\n",
        "`",
      ),
      fc.string({ unit: "binary" }),
      fc.string({ unit: "grapheme" }),
    );
    const text = fc
      .array(piece, { minLength: 1, maxLength: 8 })
      .map((pieces) => `x${pieces.join("").replaceAll("\0", "")}x`);
    const values = fc.array(text, { minLength: 40, maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(values, values, async (secretTexts, plainTexts) => {
        const secrets = Object.fromEntries(
          secretTexts.map((value, index) => [`key${index}`, value]),
        );
        const variables = Object.fromEntries(
          plainTexts.map((value, index) => [`PLAIN_${index}`, value]),
        );
        const { files, secrets: names } = renderComposeProject(
          planContainers(
            { database: { kind: "none" }, environmentVariables: variables },
            { secrets },
          ),
        );
        const all: Record<string, string> = {
          ...Object.fromEntries(names.map((name) => [name, "generated"])),
          ...secrets,
        };
        writeProject(join(folder, "any"), files, { values: all, comment: ["$A"] });
        const { services } = JSON.parse(
          await compose(join(folder, "any"), "config", "--format", "json"),
        ) as { services: { litellm: { environment: Record<string, string> } } };
        // It prints a file for itself to read again, where $ is written $$.
        const environment = Object.fromEntries(
          Object.entries(services.litellm.environment).map(([name, value]) => [
            name,
            value.replaceAll("$$", "$"),
          ]),
        );
        expect(environment).toMatchObject({
          ...variables,
          ...Object.fromEntries(secretTexts.map((value, index) => [`KEY${index}`, value])),
        });
      }),
      { numRuns: 10 },
    );
  });
});

describe.skipIf(!engine.available)(`npm run compose (${engine.reason})`, () => {
  let gateway: GatewayProject;
  let pulumi: PulumiProject;
  let folder: string;
  /** Of the containers that `up` made. */
  const deployed: Record<string, unknown> = {};
  let outputs: Record<string, unknown>;
  let catalogue: string;
  /** Everything that was printed. */
  const printed: string[] = [];

  const write = async (...arguments_: string[]): Promise<string> => {
    const output = await runCommand(
      process.execPath,
      [
        ...[
          "--import",
          join(checkout, "tools/report-errors.mjs"),
          join(checkout, "tools/compose.ts"),
        ],
        ...["--stack", pulumi.stack, ...arguments_],
      ],
      { environment: pulumi.environment, folder: pulumi.folder },
    );
    printed.push(output);
    return output;
  };
  const refusal = async (...arguments_: string[]): Promise<string> => {
    const error: unknown = await write(...arguments_).catch((reason: unknown) => reason);
    if (!(error instanceof CommandError)) throw new Error("it was not refused");
    printed.push(error.output);
    return error.output;
  };
  const readFile = (name: string): string => readFileSync(join(folder, name), "utf8");
  const readSecrets = (): Record<string, string> => parseEnvFile(readFile(".env"));
  const container = (name: string): string => `${gateway.namePrefix}-${name}`;
  const checkGateway = async (): Promise<string[]> => {
    const { masterKey = "", databasePassword: password = "" } = readSecrets();
    const results = await runChecks(outputs["checks"] as Check[], {
      proxyUrl: `http://127.0.0.1:${gateway.proxyPort}`,
      masterKey,
      databaseUrl: formatDatabaseUrl({
        host: "127.0.0.1",
        port: gateway.databasePort,
        name: "litellm",
        user: "litellm",
        password,
      }),
    });
    expect(results.length).toBeGreaterThan(10);
    return results
      .filter(({ passed }) => !passed)
      .map(({ title, detail }) => `${title}: ${detail}`);
  };

  beforeAll(async () => {
    gateway = await GatewayProject.create();
    pulumi = gateway.pulumi;
    folder = join(pulumi.folder, "compose", pulumi.stack);
    await pulumi.setConfig("litellm-gateway:openaiApiKey", PROVIDER_KEY, { secret: true });
    await pulumi.setConfig("litellm-gateway:databasePassword", `p@ss/w%rd ${ODD}end`, {
      secret: true,
    });
    configure("Hello.");
    await pulumi.up();
    for (const name of ["postgresql", "migration", "proxy"]) {
      deployed[name] = await inspect(container(name));
    }
    outputs = await pulumi.readOutputs();
    catalogue = await readCatalogue(container("postgresql"));
    printed.push(await write());
    await pulumi.destroy();
  });

  afterAll(async () => {
    await compose(folder, "down", "--volumes").catch(() => undefined);
    await gateway.remove();
  });

  const configure = (response: string): void => {
    gateway.configureContainers({
      environmentVariables: { ODD },
      models: [
        { name: "hello", provider: "mock", response },
        { name: "vector", provider: "mock", mode: "embedding" },
      ],
    });
  };

  test("writes the secrets that the stack has, for their owner alone", () => {
    expect(readSecrets()).toMatchObject({
      masterKey: outputs["masterKey"],
      uiPassword: outputs["uiPassword"],
      openaiApiKey: PROVIDER_KEY,
      ...(outputs["recovery"] as object),
    });
    expect(statSync(join(folder, ".env")).mode & 0o777).toBe(0o600);
    expect(readFile(".gitignore")).toBe(".env\n");
    for (const name of ["docker-compose.yaml", "litellm/litellm-config.yaml"]) {
      const text = readFile(name);
      expect(Object.values(readSecrets()).filter((value) => text.includes(value))).toEqual([]);
    }
  });

  test("says how to use it", () => {
    expect(printed[0]).toContain(
      [
        "",
        "cd compose/test",
        `docker compose up --detach --wait  # http://127.0.0.1:${gateway.proxyPort}`,
        "grep masterKey .env                # the master key",
        "docker compose down                # data stays",
        "",
      ].join("\n"),
    );
  });

  test("starts a gateway that passes the checks of up", async () => {
    await compose(folder, "up", "--detach", "--wait");
    expect(await checkGateway()).toEqual([]);
  });

  test.each(["postgresql", "migration", "proxy"])(
    "runs the container that up runs: %s",
    async (name) => {
      expect(await inspect(container(name))).toEqual(deployed[name]);
    },
  );

  test("makes the role and the database that up makes", async () => {
    expect(catalogue).toContain("litellm|f|t|f|f|t|f|-1|infinity|f|");
    expect(await readCatalogue(container("postgresql"))).toBe(catalogue);
  });

  test("makes no volume that nobody would remove", async () => {
    const mounts = await docker(["inspect", "--format={{json .Mounts}}", container("database")]);
    expect(JSON.parse(mounts)).toMatchObject([{ Type: "bind", RW: false }]);
    expect(JSON.parse(mounts)).toHaveLength(1);
  });

  test("writes the same again", async () => {
    const before = [readFile("docker-compose.yaml"), readFile(".env")];
    await write();
    expect([readFile("docker-compose.yaml"), readFile(".env")]).toEqual(before);
  });

  test("follows a change of settings, a new password of the role included", async () => {
    const ids = () => docker(["inspect", "--format={{.Id}}", container("postgresql")]);
    const server = await ids();
    await pulumi.setConfig("litellm-gateway:databasePassword", "another-password", {
      secret: true,
    });
    configure("Hello again.");
    await write();
    await compose(folder, "up", "--detach", "--wait");
    expect(await checkGateway()).toEqual([]);
    expect(await chat()).toBe("Hello again.");
    expect(await ids()).toBe(server);
  });

  test("leaves nothing behind but its folder", async () => {
    await compose(folder, "down", "--volumes");
    const filter = `--filter=label=litellm-gateway.prefix=${gateway.namePrefix}`;
    expect(await docker(["ps", "--all", "--quiet", filter])).toBe("");
    expect(await docker(["network", "ls", "--quiet", filter])).toBe("");
    expect(await docker(["volume", "ls", "--quiet", filter])).toBe("");
  });

  test("refuses what it cannot do, with the command that helps", async () => {
    await pulumi.setConfig("litellm-gateway:saltKey", "another-salt-key", { secret: true });
    expect(await refusal()).toContain("saltKey of stack test differs from .env");
    await pulumi.succeed("config", "rm", "litellm-gateway:saltKey");
    gateway.configure({ models: [], modles: [] });
    expect(await refusal()).toMatch(
      /^error: invalid settings: 2 errors\n[^]*modles is no setting, did you mean "models"\?/,
    );
    gateway.configure();
    expect(await refusal()).toContain(
      'stack test has topology "local", which needs no Docker: there is nothing to compose; choose a stack with topology "single-host": npm run compose -- --stack prod',
    );
    expect(await refusal("--stack", "nobody")).toBe(
      "error: there is no Pulumi.nobody.yaml; make the stack: npm run pulumi -- stack init nobody",
    );
  });

  test("prints no secret", () => {
    const secrets = Object.values(readSecrets());
    expect(secrets.length).toBeGreaterThan(5);
    expect(secrets.filter((secret) => printed.join("\n").includes(secret))).toEqual([]);
  });

  const chat = async (): Promise<string | undefined> => {
    const response = await fetch(`http://127.0.0.1:${gateway.proxyPort}/v1/chat/completions`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${readSecrets()["masterKey"] ?? ""}`,
        "content-type": "application/json",
      },
      body: JSON.stringify({ model: "hello", messages: [{ role: "user", content: "Hi" }] }),
    });
    const { choices } = (await response.json()) as { choices?: { message: { content: string } }[] };
    return choices?.[0]?.message.content;
  };
});

interface Inspected {
  readonly Image: string;
  readonly Config: Readonly<Record<string, unknown>> & {
    readonly Env: readonly string[];
    readonly Labels: Readonly<Record<string, string>>;
  };
  readonly HostConfig: Readonly<Record<string, unknown>>;
  readonly Mounts: readonly { readonly Destination: string; readonly RW: boolean }[];
  readonly NetworkSettings: { readonly Networks: Readonly<Record<string, unknown>> };
}

/** All that Docker knows of how a container runs, without what `docker compose` has to do otherwise. */
async function inspect(name: string): Promise<unknown> {
  const [inspected] = JSON.parse(await docker(["inspect", name])) as Inspected[];
  if (inspected === undefined) throw new Error(`there is no container ${name}`);
  const { Config, HostConfig } = inspected;
  return {
    // `up` names it by its id.
    image: inspected.Image,
    config: {
      ...Config,
      Image: undefined,
      // The container's id.
      Hostname: undefined,
      // Whether somebody watches its start.
      AttachStdout: undefined,
      AttachStderr: undefined,
      // Of the volumes among the mounts below.
      Volumes: undefined,
      Env: [...Config.Env].sort(),
      Labels: Object.fromEntries(
        Object.entries(Config.Labels).filter(([label]) => !OWN_LABELS.test(label)),
      ),
    },
    hostConfig: {
      ...HostConfig,
      // Files are in a folder, not in a volume.
      Binds: undefined,
      Mounts: undefined,
      // The first of the networks below.
      NetworkMode: undefined,
      PortBindings: HostConfig["PortBindings"] ?? {},
    },
    mounts: inspected.Mounts.map(({ Destination, RW }) => ({ Destination, RW })),
    networks: Object.keys(inspected.NetworkSettings.Networks),
  };
}

/** What `docker compose`, and `up`, note of their own steps. */
const OWN_LABELS = /^(com\.docker\.compose\.|litellm-gateway\.(attempt|migration)$)/;

/** The role, the database, their grants and the defaults for what will be in it. */
function readCatalogue(postgresql: string): Promise<string> {
  const sql = `
    SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication,
      rolconnlimit, rolvaliduntil, rolbypassrls, rolconfig FROM pg_roles WHERE rolname = 'litellm';
    SELECT left(rolpassword, 14) FROM pg_authid WHERE rolname = 'litellm';
    SELECT datname, datdba::regrole, pg_encoding_to_char(encoding), datcollate, datctype, datlocprovider,
      datistemplate, datallowconn, datconnlimit, datacl FROM pg_database ORDER BY datname;
    SELECT nspacl FROM pg_namespace WHERE nspname = 'public';
    SELECT defaclrole::regrole, defaclnamespace::regnamespace, defaclobjtype, defaclacl
      FROM pg_default_acl ORDER BY defaclobjtype;
    SELECT setdatabase, setrole, setconfig FROM pg_db_role_setting;`;
  const command = `PGPASSWORD="$POSTGRES_PASSWORD" psql -h 127.0.0.1 -U postgres -d litellm -tA`;
  return docker(["exec", "--interactive", postgresql, "sh", "-c", command], sql);
}
