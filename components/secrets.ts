import * as pulumi from "@pulumi/pulumi";
import { RandomPassword } from "@pulumi/random/randomPassword.js";

import type { Secrets } from "../stacks/config.ts";
import { SaltKey } from "./resources.ts";

export interface GatewaySecretsArgs {
  /** Secrets that the user has set; the others of the gateway are generated. */
  readonly given: Secrets;
  /** Protect the salt key against deletion. */
  readonly protect: boolean;
  /** Whether the stack has a Redis of its own, which wants a password. Default: no. */
  readonly hasRedis?: boolean;
}

/** Keys and passwords of the gateway: the user's where given, else generated once and kept. */
export class GatewaySecrets extends pulumi.ComponentResource {
  /** `sk-…`: proxy admin. */
  readonly masterKey: pulumi.Output<string>;
  /** Encrypts what the database stores; never changes. */
  readonly saltKey: pulumi.Output<string>;
  readonly uiPassword: pulumi.Output<string>;
  /** Password of the proxy's database role. */
  readonly databasePassword: pulumi.Output<string>;
  /** Password of the superuser of a server of our own; never used by the proxy. */
  readonly superuserPassword: pulumi.Output<string>;
  /** Password of Redis; none without one of the stack's own, and none given. */
  readonly redisPassword: pulumi.Output<string> | undefined;
  /** Those that the proxy itself needs, by name. */
  readonly forProxy: Readonly<
    Record<"masterKey" | "saltKey" | "uiPassword", pulumi.Output<string>> & {
      readonly redisPassword?: pulumi.Output<string>;
    }
  >;
  /** Those that fit the data, by the setting that takes them when the data outlives the stack. */
  readonly recovery: pulumi.Output<Readonly<Record<string, string>>>;

  constructor(name: string, args: GatewaySecretsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("litellm:index:GatewaySecrets", name, {}, opts);
    const { given } = args;
    const generate = (suffix: string) =>
      new RandomPassword(`${name}-${suffix}`, { length: 40, special: false }, { parent: this })
        .result;

    this.masterKey = given["masterKey"] ?? pulumi.interpolate`sk-${generate("master-key")}`;
    this.uiPassword = given["uiPassword"] ?? generate("ui-password");
    this.databasePassword = given["databasePassword"] ?? generate("database-password");
    this.superuserPassword = given["superuserPassword"] ?? generate("superuser-password");
    this.redisPassword =
      given["redisPassword"] ?? (args.hasRedis === true ? generate("redis-password") : undefined);

    // Without parents and with fixed names their URNs survive every rename and change of topology;
    // a new URN would be a new salt key, and what the database stores could not be read any more.
    const value =
      given["saltKey"] ??
      new RandomPassword(
        "salt-key-value",
        { length: 40, special: false },
        { protect: args.protect },
      ).result;
    this.saltKey = new SaltKey("salt-key", { value }, { protect: args.protect }).value;

    const { masterKey, saltKey, uiPassword, databasePassword, superuserPassword } = this;
    this.forProxy = {
      masterKey,
      saltKey,
      uiPassword,
      ...(this.redisPassword !== undefined && { redisPassword: this.redisPassword }),
    };
    this.recovery = pulumi.secret<Record<string, pulumi.Output<string>>>({
      saltKey,
      databasePassword,
      superuserPassword,
    });

    this.registerOutputs({
      masterKey,
      saltKey,
      uiPassword,
      databasePassword,
      superuserPassword,
      ...(this.redisPassword !== undefined && { redisPassword: this.redisPassword }),
    });
  }
}

/** The value of a secret that the plan names. */
export function requireSecret(
  secrets: Readonly<Record<string, pulumi.Input<string>>>,
  name: string,
): pulumi.Input<string> {
  const secret = secrets[name];
  if (secret === undefined) {
    throw new Error(`the plan names a secret that nobody provides: ${name}`);
  }
  return secret;
}
