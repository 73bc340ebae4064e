import { posix } from "node:path";

import { durationSeconds } from "../fixed-duration.ts";
import { type AccessSection, type AccessSettings, isAccessManaged } from "./access-settings.ts";
import { type DatabaseSettings, usesPrisma } from "./database-settings.ts";
import { type DeploymentSettings, isOnDockerHost } from "./deployment-settings.ts";
import type { Issue, Path } from "./issue.ts";
import {
  describe,
  findSimilar,
  formatPath,
  isCredential,
  removeCommand,
  setCommand,
  suggest,
} from "./issue.ts";
import type { AccessCandidate } from "./stored-access.ts";
import { checkCredentials, checkSecrets, checkStoredModels } from "./stored-model-consistency.ts";

interface Candidate {
  readonly access: AccessCandidate | undefined;
  readonly deployment: DeploymentSettings | undefined;
  readonly database: DatabaseSettings | undefined;
  readonly generalSettings: Readonly<Record<string, unknown>> | undefined;
  readonly secretNames: ReadonlySet<string>;
}

/** What of `access` does not fit together, and not the other settings. Names of models are not among it. */
export function checkAccess(candidate: Candidate): Issue[] {
  const { access } = candidate;
  if (access === undefined) return [];
  const { settings } = access;
  return [
    ...(isAccessManaged(settings)
      ? [...checkDatabase(candidate), ...checkAdministration(candidate)]
      : []),
    ...checkIds(settings),
    ...checkReferences(access),
    ...checkLimits(settings),
    ...checkMetadata(settings),
    ...checkDeliveries(settings, candidate.deployment),
    ...checkSecrets(settings, candidate.secretNames),
    ...checkCredentials(settings),
    ...checkStoredModels(settings, candidate.generalSettings),
  ];
}

/** The database that each topology has unless told otherwise. */
const ownDatabase = {
  local: "embedded",
  "single-host": "managed",
  traefik: "managed",
  "two-vm": "machine",
} as const;

function checkDatabase({ deployment, database }: Candidate): Issue[] {
  if (deployment === undefined || database === undefined || usesPrisma(database)) return [];
  // Somebody else's gateway has one, or the first request says that it has none.
  if (deployment.topology === "existing") return [];
  const [setting, command] =
    database.kind === "machine"
      ? [`database.engine "${database.engine}"`, setCommand(["database", "engine"], "both")]
      : [
          `database.kind "${database.kind}"`,
          setCommand(["database", "kind"], ownDatabase[deployment.topology]),
        ];
  return [
    {
      path: ["access"],
      message: `needs LiteLLM's own database, which there is none of with ${setting}`,
      command: `${command}, or: ${removeCommand(["access"])}`,
    },
  ];
}

/** The deployment itself manages access by the admin paths. */
function checkAdministration({ deployment }: Candidate): Issue[] {
  if (deployment?.topology !== "traefik") return [];
  const { admin } = deployment;
  if (admin.access === "open" || !admin.basicAuth) return [];
  const path = ["deployment", "admin", "basicAuth"];
  const sourceRange = setCommand(["deployment", "admin", "sourceRanges", 0], "10.0.0.0/8");
  return [
    {
      path,
      message:
        "asks for a password that the deployment does not have, and access is managed by the admin paths; sourceRanges work",
      command: [
        ...(admin.sourceRanges.length === 0 ? [sourceRange] : []),
        removeCommand(path),
      ].join(" && "),
    },
  ];
}

/** What LiteLLM knows an entry by, and the field that says so where it is not the entry's name. */
const identities: readonly (readonly [
  section: AccessSection,
  field: string,
  what: "lower" | "exact",
])[] = [
  ["budgets", "id", "exact"],
  ["users", "id", "exact"],
  ["users", "email", "lower"],
  ["teams", "id", "exact"],
  ["keys", "alias", "exact"],
  ["keys", "secret", "exact"],
  ["credentials", "name", "exact"],
  ["models", "id", "exact"],
];

/** Fields that stand for nothing where they are not given; the others then are the entry's name. */
const withoutDefault: ReadonlySet<string> = new Set(["email", "secret"]);

function checkIds(access: AccessSettings): Issue[] {
  return identities.flatMap(([section, field, letters]) => {
    const entries = Object.entries<Readonly<Record<string, unknown>>>(access[section]);
    const given = entries.filter(([, entry]) => entry[field] !== undefined);
    const identify = (id: unknown): string =>
      letters === "lower" ? String(id).toLowerCase() : String(id);
    const owners = new Map<string, string>(
      withoutDefault.has(field)
        ? []
        : entries
            .filter(([, entry]) => entry[field] === undefined)
            .map(([name]) => [identify(name), name]),
    );
    return given.flatMap(([name, entry]): Issue[] => {
      const id = identify(entry[field]);
      const owner = owners.get(id);
      if (owner === undefined) {
        owners.set(id, name);
        return [];
      }
      const path = ["access", section, name, field];
      return [
        {
          path,
          message: `is ${JSON.stringify(entry[field])}, as is that of ${formatPath(["access", section, owner])}`,
          command: removeCommand(path),
        },
      ];
    });
  });
}

/** The field that a new entry is best begun with. */
const firstFields = {
  budgets: ["maxBudget", undefined],
  users: ["role", "internal_user"],
  teams: ["blocked", false],
  credentials: ["provider", undefined],
} as const;

function checkReferences({ settings, names }: AccessCandidate): Issue[] {
  const check = (path: Path, section: keyof typeof firstFields, name: string): Issue[] => {
    if (names[section].has(name)) return [];
    const similar = findSimilar(name, names[section]);
    const [field, value] = firstFields[section];
    const isValue = typeof path.at(-1) === "string" && path.at(-1) !== name;
    const mend =
      similar !== undefined && isValue
        ? setCommand(path, similar)
        : `${setCommand(["access", section, name, field], value)}, or: ${removeCommand(path)}`;
    return [
      {
        path,
        message: `${isValue ? `is ${describe(path, name)}, which` : "is a user that"} access.${section} does not have${suggest(name, names[section])}`,
        command: mend,
      },
    ];
  };
  return [
    ...Object.entries(settings.teams).flatMap(([team, { members }]) =>
      Object.keys(members).flatMap((user) =>
        check(["access", "teams", team, "members", user], "users", user),
      ),
    ),
    ...Object.entries(settings.keys).flatMap(([key, { team, user, budget }]) => [
      ...(team === undefined ? [] : check(["access", "keys", key, "team"], "teams", team)),
      ...(user === undefined ? [] : check(["access", "keys", key, "user"], "users", user)),
      ...(budget === undefined ? [] : check(["access", "keys", key, "budget"], "budgets", budget)),
    ]),
    ...Object.entries(settings.models).flatMap(([model, { credential }]) =>
      credential === undefined
        ? []
        : check(["access", "models", model, "credential"], "credentials", credential),
    ),
  ];
}

function checkLimits({ teams, keys }: AccessSettings): Issue[] {
  const issues: Issue[] = [];
  for (const [name, { maxBudget, softBudget }] of Object.entries(teams)) {
    if (maxBudget === undefined || softBudget === undefined || softBudget < maxBudget) continue;
    const path = ["access", "teams", name, "softBudget"];
    issues.push({
      path,
      message: `is ${softBudget}, not less than maxBudget (${maxBudget}): LiteLLM refuses that`,
      command: removeCommand(path),
    });
  }
  for (const [name, { rotateAfter, overlap }] of Object.entries(keys)) {
    if (rotateAfter === undefined) continue;
    const seconds = durationSeconds(rotateAfter);
    if (durationSeconds(overlap) < seconds) continue;
    const path = ["access", "keys", name, "overlap"];
    issues.push({
      path,
      message: `is ${overlap}, not less than rotateAfter (${rotateAfter}): old keys would pile up`,
      command:
        seconds < 2
          ? setCommand(["access", "keys", name, "rotateAfter"], "90d")
          : setCommand(path, formatSeconds(Math.floor(seconds / 2))),
    });
  }
  return issues;
}

function formatSeconds(seconds: number): string {
  const units = [
    ["d", 86_400],
    ["h", 3600],
    ["m", 60],
  ] as const;
  const [unit, size] = units.find(([, size]) => seconds % size === 0) ?? ["s", 1];
  return `${seconds / size}${unit}`;
}

/** Keys of metadata that have a meaning already, and what to use instead. */
const takenMetadata: Readonly<Record<string, string>> = {
  managed_by: "says in LiteLLM's pages which stack manages it; use another name",
  model_rpm_limit: "is how LiteLLM stores a limit; use modelRpmLimit instead",
  model_tpm_limit: "is how LiteLLM stores a limit; use modelTpmLimit instead",
  team_member_budget_id: "is LiteLLM's own; use the limits of members instead",
};

function checkMetadata({ users, teams, keys }: AccessSettings): Issue[] {
  const sections = Object.entries<
    Readonly<Record<string, { readonly metadata: Readonly<Record<string, unknown>> }>>
  >({ users, teams, keys });
  return sections.flatMap(([section, entries]) =>
    Object.entries(entries).flatMap(([name, { metadata }]) =>
      Object.entries(metadata).flatMap(([key, value]): Issue[] => {
        const path = ["access", section, name, "metadata", key];
        if (Object.hasOwn(takenMetadata, key)) {
          return [{ path, message: takenMetadata[key] ?? "", command: removeCommand(path) }];
        }
        return typeof value === "string" && isCredential(value)
          ? [
              {
                path,
                message:
                  "holds a secret in plain text (not shown), which everybody could read; take it out, and replace it if it was shared",
                command: removeCommand(path),
              },
            ]
          : [];
      }),
    ),
  );
}

function checkDeliveries({ keys }: AccessSettings, deployment: Candidate["deployment"]): Issue[] {
  const owners = new Map<string, string>();
  return Object.entries(keys).flatMap(([name, { delivery }]) => {
    const { file, variable, dockerVolume, systemdCredential } = delivery;
    const path = ["access", "keys", name, "delivery"];
    const issues: Issue[] = [];
    const refuse = (field: string, message: string): void => {
      issues.push({
        path: [...path, field],
        message,
        command: removeCommand([...path, field]),
      });
    };
    if (variable !== undefined && file === undefined) {
      issues.push({
        path: [...path, "variable"],
        message: "is not used without file",
        command: `${setCommand([...path, "file"], `secrets/${name}.env`)}, or: ${removeCommand([...path, "variable"])}`,
      });
    }
    const topology = deployment?.topology;
    if (dockerVolume !== undefined && deployment !== undefined && !isOnDockerHost(deployment)) {
      refuse("dockerVolume", `needs a Docker host, which topology "${topology}" does not have`);
    }
    if (systemdCredential !== undefined && topology !== undefined && topology !== "two-vm") {
      refuse("systemdCredential", `needs a machine, which topology "${topology}" does not have`);
    }
    const targets = {
      file: file === undefined ? undefined : posix.normalize(file),
      dockerVolume,
      systemdCredential,
    };
    for (const [field, target] of Object.entries(targets)) {
      if (target === undefined) continue;
      const owner = owners.get(`${field} ${target}`);
      if (owner === undefined) owners.set(`${field} ${target}`, name);
      else {
        refuse(
          field,
          `is ${JSON.stringify(delivery[field as keyof typeof targets])}, as is that of ${formatPath(["access", "keys", owner])}: each key has its own`,
        );
      }
    }
    return issues;
  });
}
