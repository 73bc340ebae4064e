import { Document, isMap, isScalar, Scalar, visit } from "yaml";

import { type ContainerPlan, serviceName } from "../stacks/plan/container-plan.ts";
import type { ManagedDatabasePlan, SingleHostPlan } from "../stacks/plan/plan.ts";
import { buildService, type ComposeMap, escapeDollars } from "./compose-service.ts";
import { renderCreateDatabaseSql, ROLE_PASSWORD_VARIABLE } from "./create-database-sql.ts";

/** What `docker compose` needs to run what `up` runs. */
export interface ComposeProject {
  /** Texts by path, docker-compose.yaml among them. No secret is in any. */
  readonly files: Readonly<Record<string, string>>;
  /** Names of the secrets whose values docker-compose.yaml takes from .env, sorted. */
  readonly secrets: readonly string[];
}

/** A container of the project. */
interface Step {
  readonly container: ContainerPlan;
  readonly comment: string;
}

/** Folders beside docker-compose.yaml: files for the containers of LiteLLM, and for those of PostgreSQL. */
const LITELLM_FOLDER = "litellm";
const POSTGRESQL_FOLDER = "postgresql";
const SCRIPT = "create-database.sql";
const SCRIPT_FOLDER = "/etc/create-database";

/** Renders the plan for `docker compose`: the same plan gives the same texts, byte for byte. */
export function renderComposeProject(plan: SingleHostPlan): ComposeProject {
  const { database, proxy } = plan;
  const steps = listSteps(plan);
  return {
    files: {
      "docker-compose.yaml": stringify(plan, steps),
      ...inFolder(LITELLM_FOLDER, proxy.configuration.files),
      ...(database.kind === "managed" &&
        inFolder(POSTGRESQL_FOLDER, { [SCRIPT]: renderCreateDatabaseSql(database) })),
    },
    secrets: [
      ...new Set(steps.flatMap(({ container }) => Object.values(container.secretVariables))),
    ].sort(),
  };
}

function inFolder(folder: string, files: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(files).map(([name, text]) => [`${folder}/${name}`, text]),
  );
}

/** The containers in the order of their start, each when the one before it is ready or done. */
function listSteps(plan: SingleHostPlan): Step[] {
  const { database, proxy } = plan;
  const steps: Step[] = [];
  if (database.kind === "managed") {
    steps.push(
      { container: database.server.container, comment: "The database server." },
      {
        container: planDatabaseCreation(plan, database),
        comment: "Makes the proxy's role and database where they are missing, then ends.",
      },
    );
  }
  if (proxy.migration !== undefined) {
    steps.push({
      container: proxy.migration,
      comment: "Brings the database's schema to what this LiteLLM needs, then ends.",
    });
  }
  steps.push({
    container: proxy.container,
    comment: "The gateway.",
  });
  return steps;
}

/** In the place of @pulumi/postgresql, which works from the machine that deploys. */
function planDatabaseCreation(
  { network }: SingleHostPlan,
  { admin, proxy, server }: ManagedDatabasePlan,
): ContainerPlan {
  return {
    name: `${network}-database`,
    image: server.container.image,
    entrypoint: ["psql"],
    command: ["--no-psqlrc", "--quiet", `--file=${SCRIPT_FOLDER}/${SCRIPT}`],
    variables: {
      PGHOST: proxy.host,
      PGPORT: String(proxy.port),
      PGUSER: admin.user,
      PGDATABASE: admin.database,
    },
    secretVariables: {
      PGPASSWORD: "superuserPassword",
      [ROLE_PASSWORD_VARIABLE]: "databasePassword",
    },
    labels: {},
    networks: [{ name: network, alias: "database" }],
    ports: [],
    volumes: [{ volume: POSTGRESQL_FOLDER, folder: SCRIPT_FOLDER, readOnly: true }],
    // Where the image declares a volume: Docker would make one, and nobody would remove it.
    temporaryFolders: Object.fromEntries(server.container.volumes.map(({ folder }) => [folder, 1])),
    init: false,
    capabilities: [],
    cpus: 1,
    memoryMegabytes: 64,
    sharedMemoryMegabytes: 64,
    service: undefined,
    stopSignal: "SIGTERM",
    stopGraceSeconds: 10,
  };
}

function stringify(plan: SingleHostPlan, steps: readonly Step[]): string {
  const document = new Document(buildProject(plan, steps), {
    aliasDuplicateObjects: false,
    // Nobody is to wonder what `on` or `12:30` means.
    compat: "yaml-1.1",
  });
  document.commentBefore = describeUse(plan)
    .map((line) => (line === "" ? line : ` ${line}`))
    .join("\n");
  visit(document, {
    Scalar(_, node) {
      if (typeof node.value === "string" && UNREADABLE.test(node.value)) {
        node.type = Scalar.QUOTE_DOUBLE;
      }
    },
  });
  const first = steps[0] === undefined ? undefined : serviceName(steps[0].container);
  const comments = new Map(
    steps.map(({ container, comment }) => [serviceName(container), comment]),
  );
  for (const key of [...listKeys(document.contents), ...listKeys(document.get("services"))]) {
    const comment = comments.get(String(key.value));
    if (comment !== undefined) key.commentBefore = ` ${comment}`;
    key.spaceBefore = key.value !== "name" && key.value !== first;
  }
  const text = document.toString({
    doubleQuotedMinMultiLineLength: Number.MAX_SAFE_INTEGER,
    lineWidth: 0,
  });
  return text.replaceAll(new RegExp(UNREADABLE, "g"), escapeCharacter);
}

function listKeys(map: unknown): Scalar[] {
  return isMap(map) ? map.items.map(({ key }) => key).filter((key) => isScalar(key)) : [];
}

/** Characters that Compose's reader refuses, or takes for the end of a line, unless they are escaped. */
const UNREADABLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/;

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

function describeUse(plan: SingleHostPlan): string[] {
  const { database, docker, proxyUrl } = plan;
  return [
    `The gateway of stack ${plan.stack}, ${proxyUrl}, with the containers that \`pulumi up\` would run.`,
    "Rendered from the stack's settings: change those, not this file, and render it again: npm run compose",
    "",
    "  docker compose up --detach --wait   start or update, until it can be used",
    "  docker compose logs --follow",
    "  docker compose down                 stop; data stays, unless --volumes is given",
    "",
    "Needs Docker Engine 25 and Compose 2.20.2 or newer, and .env with the secrets beside it.",
    ...docker.registries.flatMap(({ address, username }) => [
      `Log in to the registry first: docker login --username ${username} ${address}`,
    ]),
    ...(database.kind === "external"
      ? [
          `On the server ${database.proxy.host}:${database.proxy.port}, role ${database.role} and database ${database.name} must exist:`,
          "`pulumi up` makes them; .env has the role's password in databaseUrl.",
        ]
      : []),
    ...(database.kind === "url"
      ? ["The database must exist; .env has its URL in databaseUrl."]
      : []),
  ];
}

function buildProject(plan: SingleHostPlan, steps: readonly Step[]): ComposeMap {
  const { database, labels, network, proxy } = plan;
  const folders = {
    [proxy.configuration.volume]: `./${LITELLM_FOLDER}`,
    [POSTGRESQL_FOLDER]: `./${POSTGRESQL_FOLDER}`,
  };
  const services = steps.map(({ container }, index) => [
    serviceName(container),
    buildService(container, {
      labels: { ...labels, ...container.labels },
      after: steps[index - 1]?.container,
      folders,
    }),
  ]);
  return {
    name: nameProject(network),
    services: Object.fromEntries(services) as ComposeMap,
    ...escapeDollars({
      networks: { default: { name: network, driver: "bridge", labels } },
      ...(database.kind === "managed" && {
        volumes: { [database.server.volume]: { name: database.server.volume, labels } },
      }),
    }),
  };
}

/** Compose allows fewer characters than Docker; other names stay other names. */
function nameProject(name: string): string {
  return name.replaceAll(/[^a-z0-9_-]/g, (character) => `_${character.charCodeAt(0).toString(16)}`);
}
