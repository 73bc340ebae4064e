import { randomInt } from "node:crypto";

import { formatDatabaseUrl } from "../../components/database-url.ts";
import type { SingleHostPlan } from "../../stacks/plan/plan.ts";

/** Values of secrets, by name. */
type Values = Readonly<Record<string, string>>;

/** Where values are known from; the first that knows one wins. */
export interface SecretSources {
  /** The stack's configuration: what the user has set. */
  readonly given: Values;
  /** The stack's outputs: what was generated when it was deployed. */
  readonly deployed: Values;
  /** An .env file of an earlier run. */
  readonly previous: Values;
}

/** Generated where nobody knows them, as `up` does (components/secrets.ts). */
const GENERATED = ["databasePassword", "masterKey", "saltKey", "superuserPassword", "uiPassword"];
/** Data that was made with them can be used with no others. */
const BOUND_TO_DATA = ["saltKey", "superuserPassword"];

/**
 * Values for the secrets that a Compose project names, sorted by name.
 *
 * @throws Error that says what to do, without any value
 */
export function chooseSecrets(
  names: readonly string[],
  { database, stack }: Pick<SingleHostPlan, "database" | "stack">,
  { given, deployed, previous }: SecretSources,
): Record<string, string> {
  const values: Record<string, string> = { ...previous, ...deployed, ...given };
  const changed = BOUND_TO_DATA.filter(
    (name) => previous[name] !== undefined && previous[name] !== values[name],
  );
  if (changed.length > 0) {
    throw new Error(
      `${changed.join(" and ")} of stack ${stack} ${changed.length === 1 ? "differs" : "differ"} from .env, and the data that was made with those cannot be used with others; write to another folder: npm run compose -- --stack ${stack} --output <folder>; or, if there is no such data, delete .env first`,
    );
  }
  // What a database needs is kept while there is none: its data may be there still.
  const wanted = [...names, ...GENERATED.filter((name) => previous[name] !== undefined)];
  for (const name of GENERATED.filter((generated) => wanted.includes(generated))) {
    values[name] ??= name === "masterKey" ? `sk-${generatePassword()}` : generatePassword();
  }
  if (database.kind === "managed" || database.kind === "external") {
    const { proxy, name, role } = database;
    const password = values["databasePassword"];
    if (password === undefined) {
      throw new Error(
        `nobody knows the password of role ${role}, which \`docker compose\` does not make on a server that exists; make it: npm start ${stack}; or tell it: npm run pulumi -- config set --secret databasePassword --stack ${stack}`,
      );
    }
    values["databaseUrl"] = formatDatabaseUrl({ ...proxy, name, user: role, password });
  }
  return Object.fromEntries(
    [...new Set(wanted)].sort().map((name) => {
      const value = values[name];
      if (value === undefined) throw new Error(`nobody provides the secret ${name}`);
      return [name, value];
    }),
  );
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

function generatePassword(): string {
  return Array.from({ length: 40 }, () => ALPHABET[randomInt(ALPHABET.length)]).join("");
}
