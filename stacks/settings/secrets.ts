import { DOCKER_HOST_NAME, isLoopback } from "../hosts.ts";
import type { Issue } from "./issue.ts";
import {
  environmentVariableOf,
  isTopLevelSecret,
  managedEnvironmentVariables,
  namePattern,
  setSecretCommand,
  toCamelCase,
  toConstantCase,
  type TopLevelSecret,
  topLevelSecrets,
} from "./secret-names.ts";

/** Secrets as they are stored: their values are looked at here, and never shown. */
export interface StoredSecrets {
  /** Values of keys that were set with `--secret`. */
  readonly secret: Readonly<Record<string, unknown>>;
  /** Keys that were set without. */
  readonly plain: Readonly<Record<string, unknown>>;
  /** The gateway is run elsewhere, where its master key was chosen: any will do. Default: no. */
  readonly isExisting?: boolean;
}

/** The names of the secrets that are set, and what is wrong with them. */
export function checkSecrets({ secret, plain, isExisting = false }: StoredSecrets): {
  readonly names: ReadonlySet<string>;
  readonly issues: readonly Issue[];
} {
  const names = new Set<string>();
  const issues: Issue[] = [];
  for (const name of Object.keys(topLevelSecrets)) {
    if (!Object.hasOwn(plain, name) && !Object.hasOwn(secret, name)) continue;
    names.add(name);
    issues.push(
      ...(Object.hasOwn(plain, name)
        ? [plainTextIssue([name], name)]
        : checkValue([name], name, secret[name], isExisting)),
    );
  }
  if (Object.hasOwn(plain, "secrets")) {
    const given = plain["secrets"];
    if (!isObject(given)) issues.push(notAnObject());
    else {
      for (const name of Object.keys(given)) {
        names.add(name);
        issues.push(plainTextIssue(["secrets", name], name), ...checkName(name, names));
      }
    }
  }
  if (Object.hasOwn(secret, "secrets")) {
    const given = secret["secrets"];
    if (!isObject(given)) issues.push(notAnObject());
    else {
      for (const [name, value] of Object.entries(given)) {
        issues.push(...checkName(name, names));
        // Reported, and not what its name says.
        if (isTopLevelSecret(name)) continue;
        issues.push(...checkValue(["secrets", name], name, value, isExisting));
        names.add(name);
      }
    }
  }
  return { names, issues };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function notAnObject(): Issue {
  return {
    path: ["secrets"],
    message: "must be an object: the name of each secret and its value",
    command: "pulumi config rm secrets && pulumi config set --secret --path 'secrets.groqApiKey'",
  };
}

function plainTextIssue(path: readonly string[], name: string): Issue {
  return {
    path,
    message:
      "is stored in plain text (not shown); store it as a secret, and replace it if it was shared",
    command: namePattern.test(name) ? setSecretCommand(name) : setSecretCommand(toCamelCase(name)),
  };
}

function checkName(name: string, taken: ReadonlySet<string>): Issue[] {
  const path = ["secrets", name];
  const remove = `pulumi config rm --path ${JSON.stringify(`secrets["${name}"]`)}`;
  if (!namePattern.test(name)) {
    return [
      {
        path,
        message: "must have a name in camelCase: letters and digits, starting with a small letter",
        command: `${remove} && ${setSecretCommand(toCamelCase(name))}`,
      },
    ];
  }
  const removeNamed = `pulumi config rm --path 'secrets.${name}'`;
  if (isTopLevelSecret(name)) {
    return [
      {
        path,
        message: "is a setting of its own, outside secrets",
        command: `${removeNamed} && ${setSecretCommand(name)}`,
      },
    ];
  }
  const variable = toConstantCase(name);
  if (Object.hasOwn(managedEnvironmentVariables, variable)) {
    const setting = managedEnvironmentVariables[variable];
    return [
      {
        path,
        message: `would set ${variable}, which the deployment sets itself${setting === undefined ? "" : `; use ${setting} instead`}`,
        command: removeNamed,
      },
    ];
  }
  const other = [...taken].find(
    (candidate) => candidate !== name && environmentVariableOf(candidate) === variable,
  );
  if (other === undefined) return [];
  return [
    {
      path,
      message: `sets the environment variable ${variable}, as does ${other}; keep one of them`,
      command: removeNamed,
    },
  ];
}

function checkValue(
  path: readonly string[],
  name: string,
  value: unknown,
  isExisting: boolean,
): Issue[] {
  const message = findFault(name, value, isExisting);
  return message === undefined ? [] : [{ path, message, command: setSecretCommand(name) }];
}

function findFault(name: string, value: unknown, isExisting: boolean): string | undefined {
  if (typeof value !== "string") return "must be a text (not shown)";
  if (value.trim() === "") return "must not be empty";
  if (value !== value.trim() && !textsOfLines.has(name)) {
    return "must not begin or end with white space (not shown)";
  }
  if (value.includes("\0")) return "must not contain a NUL character (not shown)";
  switch (name) {
    case "databaseUrl":
      return findUrlFault(value);
    case "slackWebhookUrl":
    case "alertWebhookUrl":
      return /^https?:$/.test(URL.parse(value)?.protocol ?? "")
        ? undefined
        : "must be an http:// or https:// URL (not shown)";
    case "redisPassword":
      // It stands in a line of Redis's configuration file.
      return /^[\x21\x23-\x26\x28-\x5b\x5d-\x7e]+$/.test(value)
        ? undefined
        : "must be ASCII without white space, quotes and backslashes (not shown)";
    case "adminUsers":
      return value.trim().split(/\r?\n/).every(isPasswordLine)
        ? undefined
        : "must be lines `name:hash` as htpasswd -nB writes them (not shown)";
    case "tlsPrivateKey":
      return /^-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\r?\n[\s\S]+-----END /.test(value.trim())
        ? undefined
        : "must be an unencrypted private key in PEM (not shown)";
    case "masterKey":
      if (isExisting) return undefined;
      if (!value.startsWith("sk-")) return "must begin with sk- (not shown): LiteLLM demands it";
      return value.length < "sk-".length + 16
        ? "must have at least 16 characters after sk- (not shown)"
        : undefined;
    default:
      return undefined;
  }
}

/** Secrets that are texts of several lines, and end in a line's end as files do. */
const textsOfLines: ReadonlySet<string> = new Set<TopLevelSecret>(["adminUsers", "tlsPrivateKey"]);

/** The hashes that Traefik knows: bcrypt, Apache's MD5 and SHA-1. */
function isPasswordLine(line: string): boolean {
  return /^[^:\s]+:(\$2[aby]?\$\d\d\$[./A-Za-z0-9]{53}|\$apr1\$\S+|\{SHA\}\S+)$/.test(line);
}

/** What of a PostgreSQL URL Prisma, LiteLLM's database client, would misunderstand. */
function findUrlFault(value: string): string | undefined {
  const url = URL.parse(value);
  if (url === null || !/^postgres(ql)?:$/.test(url.protocol) || url.hostname === "") {
    return "must be postgresql://user:password@host:port/database, user and password percent-encoded (not shown)";
  }
  if (isLoopback(url.hostname)) {
    return `names ${url.hostname}, which inside a container is the container itself; the Docker host is ${DOCKER_HOST_NAME}`;
  }
  const sslmode = url.searchParams.get("sslmode");
  // https://www.prisma.io/docs/orm/overview/databases/postgresql: LiteLLM translates libpq's verifying modes.
  const known = ["disable", "prefer", "require", "verify-ca", "verify-full"];
  return sslmode === null || known.includes(sslmode)
    ? undefined
    : `has sslmode=${sslmode}; Prisma knows disable, prefer and require`;
}
