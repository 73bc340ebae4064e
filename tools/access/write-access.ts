import { budget } from "../../components/provider/access/budget.ts";
import { isLitellmBudget } from "../../components/provider/access/survey.ts";
import { teamMember } from "../../components/provider/access/team-member.ts";
import { team } from "../../components/provider/access/team.ts";
import { user } from "../../components/provider/access/user.ts";
import { type AccessTree, nameMember, nameResource } from "./access-tree.ts";
import { dropDefaults, dropEmpty, type Entry, sortEntries, unlessNamed } from "./entry.ts";
import { Findings, type WriteOptions } from "./findings.ts";
import type { ObservedAccess } from "./observed-access.ts";
import { writeKeys } from "./write-keys.ts";
import { writeStored } from "./write-stored.ts";

export interface WrittenAccess {
  readonly tree: AccessTree;
  /** Ids for `pulumi import`, by the name of the resource. */
  readonly imports: Readonly<Record<string, string>>;
  /** Resources that are not quite what is there, such as those of which LiteLLM hides a part. */
  readonly adopts: readonly string[];
  /** What people must know, in plain words: what is left out, and what is not to be seen. */
  readonly notes: readonly string[];
}

type Members = ObservedAccess["members"];
type Names = ReadonlyMap<string, string>;

const BUDGET_DEFAULTS = budget.inputs.parse({ budgetId: "-" });
const USER_DEFAULTS = user.inputs.parse({ userId: "-" });
const TEAM_DEFAULTS = team.inputs.parse({ teamId: "-" });
const MEMBER_DEFAULTS = teamMember.inputs.parse({ teamId: "-", userId: "-" });

/** Live things as settings: what is read of a gateway is what the program would say of it. */
export function writeAccess(observed: ObservedAccess, options: WriteOptions = {}): WrittenAccess {
  const findings = new Findings(options);
  const budgets = findings.select("budget", selectBudgets(observed), ({ id }) => id);
  const users = findings.select("user", observed.users, labelUser);
  const teams = findings.select("team", observed.teams, labelTeam);
  const names = {
    budgets: findings.name("budgets", budgets),
    users: findings.name("users", users, labelUser),
    teams: findings.name("teams", teams, labelTeam),
  };
  const tree: AccessTree = {
    budgets: sortEntries(budgets, (thing) => {
      const { id, inputs } = thing;
      const name = names.budgets.get(id) ?? id;
      findings.remark("budget", id, id, thing);
      findings.imports[nameResource("budgets", name)] = id;
      const rest = dropDefaults(inputs, BUDGET_DEFAULTS, ["budgetId"]);
      return [name, { ...unlessNamed(name, "id", id), ...rest }];
    }),
    users: sortEntries(users, (thing) => {
      const { id, inputs } = thing;
      const name = names.users.get(id) ?? id;
      findings.remark("user", id, labelUser(thing), thing);
      findings.imports[nameResource("users", name)] = id;
      const rest = dropDefaults(inputs, USER_DEFAULTS, ["userId"]);
      return [name, { ...unlessNamed(name, "id", id), ...rest }];
    }),
    teams: sortEntries(teams, (thing) => {
      const { id, inputs } = thing;
      const name = names.teams.get(id) ?? id;
      findings.remark("team", id, labelTeam(thing), thing);
      const { alias = name } = inputs;
      if (inputs.alias === undefined) {
        findings.adopts.push(nameResource("teams", name));
        findings.notes.push(
          `team "${id}" has no alias in LiteLLM; with its entry it gets "${name}"`,
        );
      } else findings.imports[nameResource("teams", name)] = id;
      return [
        name,
        {
          ...unlessNamed(name, "id", id),
          ...unlessNamed(name, "alias", alias),
          ...dropDefaults(inputs, TEAM_DEFAULTS, ["teamId", "alias"]),
          ...dropEmpty({
            members: writeMembers(findings, name, thing, observed.members, names.users),
          }),
        },
      ];
    }),
    keys: writeKeys(findings, observed.keys, names),
    ...writeStored(findings, observed),
  };
  const { imports, adopts, notes } = findings;
  return { tree, imports, adopts, notes };
}

/** Without those that LiteLLM makes by itself, unless somebody has given them to a key. */
function selectBudgets({ budgets, keys }: ObservedAccess): ObservedAccess["budgets"] {
  const given = new Set(keys.map(({ inputs }) => inputs?.budgetId));
  return budgets.filter(({ id }) => !isLitellmBudget(id) || given.has(id));
}

function writeMembers(
  { notes, imports }: Findings,
  teamName: string,
  thing: ObservedAccess["teams"][number],
  members: Members,
  users: Names,
): Record<string, Entry> {
  const ofTeam = `of team "${labelTeam(thing)}"`;
  const invited = thing.live.members_with_roles.filter(({ user_id: id }) => id === null);
  for (const { user_email: email } of invited) {
    notes.push(
      `member "${email ?? ""}" ${ofTeam} is left out: LiteLLM knows no user of this e-mail`,
    );
  }
  const own = members.filter(({ live }) => live.teamId === thing.id);
  return sortEntries(own, ({ id, inputs, live: { userId, role } }) => {
    const name = users.get(userId);
    if (name === undefined || inputs === undefined) {
      notes.push(`member "${userId}" ${ofTeam} is left out: this user is not here`);
      return undefined;
    }
    if (role === "admin") {
      notes.push(
        `member "${name}" ${ofTeam} is its admin, which no setting says; LiteLLM keeps it`,
      );
    }
    imports[nameMember(teamName, name)] = id;
    return [name, dropDefaults(inputs, MEMBER_DEFAULTS, ["teamId", "userId"])];
  });
}

function labelTeam({ id, live: { team_alias: alias } }: ObservedAccess["teams"][number]): string {
  return typeof alias === "string" && alias !== "" ? alias : id;
}

function labelUser({ id, inputs }: ObservedAccess["users"][number]): string {
  return inputs?.alias ?? inputs?.email ?? id;
}
