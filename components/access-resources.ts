/**
 * Access to a gateway as resources: teams, users, keys, budgets and what is stored in LiteLLM's database. A
 * program gives each of them a {@link Provider}, which says which gateway.
 */
import * as pulumi from "@pulumi/pulumi";

import type { MachineConnection } from "./machine.ts";
import type { budget } from "./provider/access/budget.ts";
import type { credential } from "./provider/access/credential.ts";
import type { model } from "./provider/access/model.ts";
import type { teamMember } from "./provider/access/team-member.ts";
import type { team } from "./provider/access/team.ts";
import type { unmanaged } from "./provider/access/unmanaged.ts";
import type { user } from "./provider/access/user.ts";
import type { virtualKey } from "./provider/access/virtual-key.ts";
import { withoutSudo } from "./provider/ssh/connection.ts";
import type { Args } from "./resources.ts";

export interface ProviderArgs {
  /** Base URL of the gateway: `https://litellm.example.com`. */
  readonly url: pulumi.Input<string>;
  /** Of the gateway, as it is when its resources are worked on. Another one touches none of them. */
  readonly masterKey: pulumi.Input<string>;
  /** PEM of the authorities to trust, and no others. Default: the public ones. */
  readonly certificateAuthority?: pulumi.Input<string> | undefined;
  /** Address to connect to, whatever the name in `url` resolves to. Default: what it resolves to. */
  readonly connectAddress?: pulumi.Input<string> | undefined;
  /** A machine to go through by SSH; `url` is then as that machine sees the gateway. Default: none. */
  readonly machine?: MachineConnection | undefined;
  /** Requests that are under way at once. Default: 8. */
  readonly concurrency?: pulumi.Input<number>;
  /** How long a gateway that is down, or too busy, is waited for. Default: 120. */
  readonly patienceSeconds?: pulumi.Input<number>;
}

/** A live LiteLLM with a database, of this stack or of anybody. */
export class Provider extends pulumi.ProviderResource {
  constructor(name: string, args: ProviderArgs, opts?: pulumi.ResourceOptions) {
    const { url, masterKey, certificateAuthority, connectAddress, machine, ...numbers } = args;
    super(
      "litellm",
      name,
      {
        url,
        masterKey: pulumi.secret(masterKey),
        ...(certificateAuthority !== undefined && { certificateAuthority }),
        ...(connectAddress !== undefined && { connectAddress }),
        // Pulumi hands a provider texts only.
        ...(machine !== undefined && { machine: pulumi.jsonStringify(withoutSudo(machine)) }),
        ...Object.fromEntries(
          Object.entries(numbers).map(([key, value]) => [key, pulumi.output(value).apply(String)]),
        ),
      },
      opts,
    );
  }
}

export type TeamArgs = Args<typeof team>;

/** A team: whom its budget and limits hold for together. Deleting it deletes its keys. */
export class Team extends pulumi.CustomResource {
  /** LiteLLM's id of it. Changing it replaces the team. */
  declare readonly teamId: pulumi.Output<string>;
  declare readonly alias: pulumi.Output<string>;

  constructor(name: string, args: TeamArgs, opts?: pulumi.CustomResourceOptions) {
    super("litellm:access:Team", name, { ...args, serverDefaults: undefined }, opts);
  }
}

export type TeamMemberArgs = Args<typeof teamMember>;

/** A user's place in a team, and what is set for this user there. */
export class TeamMember extends pulumi.CustomResource {
  declare readonly teamId: pulumi.Output<string>;
  declare readonly userId: pulumi.Output<string>;

  constructor(name: string, args: TeamMemberArgs, opts?: pulumi.CustomResourceOptions) {
    super("litellm:access:TeamMember", name, { ...args }, opts);
  }
}

export type UserArgs = Args<typeof user>;

/** A user of the gateway, without a key of its own. */
export class User extends pulumi.CustomResource {
  /** LiteLLM's id of the user. Changing it replaces the user. */
  declare readonly userId: pulumi.Output<string>;

  constructor(name: string, args: UserArgs, opts?: pulumi.CustomResourceOptions) {
    super("litellm:access:User", name, { ...args, serverDefaults: undefined }, opts);
  }
}

export type BudgetArgs = Args<typeof budget>;

/** Limits that several keys refer to; each of them spends for itself. */
export class Budget extends pulumi.CustomResource {
  /** Changing it replaces the budget. */
  declare readonly budgetId: pulumi.Output<string>;

  constructor(name: string, args: BudgetArgs, opts?: pulumi.CustomResourceOptions) {
    super("litellm:access:Budget", name, { ...args }, opts);
  }
}

export type VirtualKeyArgs = Args<typeof virtualKey>;

/** A key. Nothing but another `generation`, or the end of `rotateAfter`, makes a new one of it. */
export class VirtualKey extends pulumi.CustomResource {
  /** `sk-…`, secret; undefined for one that was imported, for LiteLLM does not know it. */
  declare readonly value: pulumi.Output<string | undefined>;
  /** SHA-256 of the value: LiteLLM's id of the key. */
  declare readonly tokenId: pulumi.Output<string>;
  declare readonly alias: pulumi.Output<string>;

  constructor(name: string, args: VirtualKeyArgs, opts?: pulumi.CustomResourceOptions) {
    super(
      "litellm:access:VirtualKey",
      name,
      {
        ...args,
        value: args.value === undefined ? undefined : pulumi.secret(args.value),
        tokenId: undefined,
        createdAt: undefined,
        previous: undefined,
        serverDefaults: undefined,
      },
      pulumi.mergeOptions(opts, { additionalSecretOutputs: ["value"] }),
    );
  }
}

export type ModelArgs = Args<typeof model>;

/** A model that is stored in LiteLLM's database, beside those of its configuration. */
export class Model extends pulumi.CustomResource {
  declare readonly modelId: pulumi.Output<string>;

  constructor(name: string, args: ModelArgs, opts?: pulumi.CustomResourceOptions) {
    super("litellm:access:Model", name, { ...args }, opts);
  }
}

export type CredentialArgs = Args<typeof credential>;

/** What models log in to a provider with, stored in LiteLLM's database and encrypted there. */
export class Credential extends pulumi.CustomResource {
  declare readonly name: pulumi.Output<string>;

  constructor(name: string, args: CredentialArgs, opts?: pulumi.CustomResourceOptions) {
    super("litellm:access:Credential", name, { ...args, values: pulumi.secret(args.values) }, opts);
  }
}

export type UnmanagedArgs = Args<typeof unmanaged>;

/** What is in the gateway and in no program: reported, or deleted. */
export class Unmanaged extends pulumi.CustomResource {
  /** Such as `team "search"`. */
  declare readonly unmanaged: pulumi.Output<string[]>;
  /** The same of what is never deleted, with why not. */
  declare readonly kept: pulumi.Output<string[]>;

  constructor(name: string, args: UnmanagedArgs, opts?: pulumi.CustomResourceOptions) {
    super(
      "litellm:access:Unmanaged",
      name,
      { ...args, unmanaged: undefined, kept: undefined },
      opts,
    );
  }
}
