import type { LiveKey } from "../../components/provider/access/gateway.ts";
import { RETIRED } from "../../components/provider/access/key-rotation.ts";
import { readOwner } from "../../components/provider/access/owner.ts";
import { ADMIN_USER } from "../../components/provider/access/survey.ts";
import { virtualKey } from "../../components/provider/access/virtual-key.ts";
import { type AccessTree, nameResource } from "./access-tree.ts";
import { dropDefaults, sortEntries, unlessNamed } from "./entry.ts";
import type { Findings, Writable } from "./findings.ts";
import type { ObservedAccess } from "./observed-access.ts";

/** Names in the settings, by LiteLLM's ids. */
type Owners = Readonly<Record<"budgets" | "teams" | "users", ReadonlyMap<string, string>>>;
type Key = ObservedAccess["keys"][number];

const DEFAULTS = virtualKey.inputs.parse({ alias: "-" });

export function writeKeys(
  findings: Findings,
  observed: ObservedAccess["keys"],
  owners: Owners,
): AccessTree["keys"] {
  const { notes, options } = findings;
  const keys = findings.select("key", observed, labelKey).filter((key) => {
    const reason = refuse(key, owners, options.now ?? new Date());
    if (reason !== undefined) notes.push(`key "${labelKey(key)}" is left out: ${reason}`);
    return reason === undefined;
  });
  const news = keys.filter(({ inputs: { alias } }) => !findings.isKnown("keys", alias));
  if (news.length > 0) {
    notes.push(
      `values of keys (${news.length}) cannot be read back, for LiteLLM has only their hashes; they go on ` +
        "working, and who has lost one needs a new generation of it",
    );
  }
  const names = findings.name(
    "keys",
    keys.map(({ inputs: { alias } }) => ({ id: alias })),
  );
  return sortEntries(keys, (key) => {
    const { id, inputs } = key;
    const { alias, teamId, userId, budgetId } = inputs;
    const name = names.get(alias) ?? alias;
    findings.remark("key", alias, alias, key);
    findings.imports[nameResource("keys", name)] = id;
    return [
      name,
      {
        ...unlessNamed(name, "alias", alias),
        ...(teamId !== undefined && { team: owners.teams.get(teamId) }),
        ...(userId !== undefined && { user: owners.users.get(userId) }),
        ...(budgetId !== undefined && { budget: owners.budgets.get(budgetId) }),
        ...dropDefaults(inputs, DEFAULTS, ["alias", "teamId", "userId", "budgetId", "value"]),
      },
    ];
  });
}

/** Why a key is not written; undefined where it is. */
function refuse(
  { inputs, live }: Writable<NonNullable<Key["inputs"]>, LiveKey>,
  { teams, users, budgets }: Owners,
  now: Date,
): string | undefined {
  const { expires, teamId, userId, budgetId } = inputs;
  if (isRetired(live)) return "a newer one has replaced it, and it ends by itself";
  if (live.key_alias === null)
    return "it has no alias to know it by; give it one in LiteLLM's pages";
  if (expires !== undefined && Date.parse(expires) < now.getTime()) return "it has expired";
  if (teamId !== undefined && !teams.has(teamId)) return `its team "${teamId}" is not here`;
  if (userId === ADMIN_USER) return "it belongs to the admin, who is LiteLLM's own";
  if (userId !== undefined && !users.has(userId)) return `its user "${userId}" is not here`;
  if (budgetId !== undefined && !budgets.has(budgetId))
    return `its budget "${budgetId}" is not here`;
  return undefined;
}

/** Whether a rotation has left it behind. */
function isRetired({ key_alias: alias, metadata }: LiveKey): boolean {
  return readOwner(metadata) !== undefined && RETIRED.test(alias ?? "");
}

function labelKey({ id, live: { key_alias: alias, key_name: abbreviation } }: Key): string {
  return alias ?? (typeof abbreviation === "string" ? abbreviation : id);
}
