import { readFileSync } from "node:fs";

import * as pulumi from "@pulumi/pulumi";

import type { Secrets } from "../stacks/config.ts";
import type { AccessPlan } from "../stacks/plan/access-plan.ts";
import {
  Budget,
  Credential,
  Model,
  Provider,
  type ProviderArgs,
  Team,
  TeamMember,
  Unmanaged,
  User,
  VirtualKey,
} from "./access-resources.ts";
import { formatMemberId } from "./provider/access/member-id.ts";
import { requireSecret } from "./secrets.ts";

export interface AccessArgs {
  readonly plan: AccessPlan;
  /** Which gateway, and how it is reached. */
  readonly gateway: ProviderArgs;
  /** Secrets that the user has set. */
  readonly secrets: Secrets;
  /** What must be up before anything can be managed. */
  readonly dependsOn: pulumi.Resource;
  /** What holds the database: deleted with it, nothing in it need be deleted. */
  readonly data: pulumi.Resource | undefined;
}

type KeyPlan = AccessPlan["keys"][number];

/** Teams, users, keys and budgets of a gateway, as the settings say. */
export class Access extends pulumi.ComponentResource {
  /** By the name in the settings; secret. One that was taken over, whose value nobody knows, is missing. */
  readonly virtualKeys: Readonly<Record<string, pulumi.Output<string | undefined>>>;
  /** The keys that are to be delivered somewhere. */
  readonly deliveries: readonly { readonly key: KeyPlan; readonly value: pulumi.Output<string> }[];

  constructor(name: string, args: AccessArgs, opts?: pulumi.ComponentResourceOptions) {
    super("litellm:index:Access", name, {}, opts);
    const { plan, secrets } = args;
    const { imports, adopts } = readAdoption();
    const provider = new Provider(`${name}-provider`, args.gateway, {
      parent: this,
      dependsOn: args.dependsOn,
    });
    const describe = (
      id: string,
      more: pulumi.CustomResourceOptions = {},
    ): [string, pulumi.CustomResourceOptions] => {
      const resource = `${name}-${id}`;
      return [
        resource,
        {
          parent: this,
          provider,
          ...(args.data !== undefined && { deletedWith: args.data }),
          ...(imports[resource] !== undefined && { import: imports[resource] }),
          // It says how to begin, and no change of it is one.
          ignoreChanges: ["adopt"],
          ...more,
        },
      ];
    };
    const begin = <Args extends object>(resource: string, given: Args) =>
      adopts.includes(resource) ? { ...given, adopt: true } : given;
    const create = <Entry extends { readonly name: string }, Resource>(
      entries: readonly Entry[],
      make: (entry: Entry) => Resource,
    ): ReadonlyMap<string, Resource> =>
      new Map(entries.map((entry) => [entry.name, make(entry)] as const));
    const named = (resources: ReadonlyMap<string, pulumi.Resource>, key: string | undefined) =>
      key === undefined ? [] : [resources.get(key)].filter((found) => found !== undefined);

    const budgets = create(plan.budgets, ({ name: key, args: budget }) => {
      const [resource, options] = describe(`budget-${key}`);
      return new Budget(resource, begin(resource, budget), options);
    });
    const users = create(plan.users, ({ name: key, args: user }) => {
      const [resource, options] = describe(`user-${key}`);
      return new User(resource, begin(resource, user), options);
    });
    const teams = create(plan.teams, ({ name: key, args: team }) => {
      const [resource, options] = describe(`team-${key}`);
      return new Team(resource, begin(resource, team), options);
    });
    const members = plan.members.map(({ team, user, args: member }) => {
      const [resource, options] = describe(`member-${team}/${user}`, {
        dependsOn: [...named(teams, team), ...named(users, user)],
      });
      return { team, user, member: new TeamMember(resource, begin(resource, member), options) };
    });
    const credentials = create(plan.credentials, (credential) => {
      const [resource, options] = describe(`credential-${credential.name}`);
      const values = { ...credential.values, ...lookUp(credential.secretValues, secrets) };
      return new Credential(resource, begin(resource, { ...credential.args, values }), options);
    });
    create(plan.models, (model) => {
      const [resource, options] = describe(`model-${model.name}`, {
        dependsOn: named(credentials, model.credential),
      });
      const params = { ...model.params, ...lookUp(model.secretParams, secrets) };
      return new Model(resource, begin(resource, { ...model.args, params }), options);
    });
    const keys = create(plan.keys, (key) => {
      const [resource, options] = describe(`key-${key.name}`, {
        // With a membership that is made anew LiteLLM deletes the member's keys.
        dependsOn: [
          ...named(teams, key.team),
          ...named(users, key.user),
          ...named(budgets, key.budget),
          ...members
            .filter(({ team, user }) => team === key.team && user === key.user)
            .map(({ member }) => member),
        ],
        protect: key.protect,
      });
      const value = key.secret === undefined ? {} : { value: requireSecret(secrets, key.secret) };
      return new VirtualKey(resource, begin(resource, { ...key.args, ...value }), options);
    });
    if (plan.prune !== "ignore") {
      const [resource, options] = describe("unmanaged");
      new Unmanaged(
        resource,
        {
          mode: plan.prune,
          teams: plan.teams.map(({ args: { teamId } }) => teamId),
          users: plan.users.map(({ args: { userId } }) => userId),
          budgets: plan.budgets.map(({ args: { budgetId } }) => budgetId),
          models: plan.models.map(({ args: { modelId } }) => modelId),
          credentials: plan.credentials.map(({ args: { name: credential } }) => credential),
          keys: plan.keys.map(({ args: { alias } }) => alias),
          members: plan.members.map(({ args: member }) => formatMemberId(member)),
        },
        options,
      );
    }

    this.virtualKeys = Object.fromEntries([...keys].map(([key, { value }]) => [key, value]));
    this.deliveries = plan.keys
      .filter(({ delivery }) => Object.keys(delivery).length > 0)
      .map((key) => ({
        key,
        value: (keys.get(key.name)?.value ?? pulumi.output(undefined)).apply((value) =>
          requireValue(key, value),
        ),
      }));
    this.registerOutputs({});
  }
}

/** What `npm run adopt` brings into the state, by the names of the resources. */
interface Adoption {
  /** Ids of LiteLLM's: imported as they are. */
  readonly imports: Readonly<Record<string, string>>;
  /** Taken over, and made what the settings say. */
  readonly adopts: readonly string[];
}

function readAdoption(): Adoption {
  const file = process.env["LITELLM_ACCESS_IMPORTS"];
  return file === undefined
    ? { imports: {}, adopts: [] }
    : (JSON.parse(readFileSync(file, "utf8")) as Adoption);
}

function lookUp(
  names: Readonly<Record<string, string>>,
  secrets: Secrets,
): Record<string, pulumi.Input<string>> {
  return Object.fromEntries(
    Object.entries(names).map(([key, secret]) => [
      key,
      pulumi.secret(requireSecret(secrets, secret)),
    ]),
  );
}

/** @throws RunError where the key was made by somebody else, so that nobody knows its value */
function requireValue({ name, args: { generation } }: KeyPlan, value: string | undefined): string {
  if (value !== undefined) return value;
  throw new pulumi.RunError(
    `access.keys.${name}.delivery: the key was taken over, and LiteLLM does not know its value: ` +
      "make a new one, or give the value that you have\n" +
      `  pulumi config set --path access.keys.${name}.generation ${generation + 1}`,
  );
}
