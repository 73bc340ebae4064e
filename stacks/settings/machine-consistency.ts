import { type DatabaseSettings, hasRequestLog } from "./database-settings.ts";
import type { DeploymentSettings } from "./deployment-settings.ts";
import { isLoopback } from "../hosts.ts";
import type { Issue, Path } from "./issue.ts";
import { removeCommand, setCommand, suggest } from "./issue.ts";
import type { StaticKeysSettings } from "./request-log-settings.ts";
import { checkTypedTwice } from "./router-consistency.ts";
import { gatewaySecrets, setSecretCommand } from "./secret-names.ts";

interface MachineCandidate {
  readonly deployment: DeploymentSettings | undefined;
  readonly database: DatabaseSettings | undefined;
  readonly isRequestLogGiven: boolean;
  readonly staticKeys: StaticKeysSettings | undefined;
  readonly modelNames: ReadonlySet<string> | undefined;
  readonly generalSettings: Readonly<Record<string, unknown>> | undefined;
  readonly litellmSettings: Readonly<Record<string, unknown>> | undefined;
  readonly secretNames: ReadonlySet<string>;
}

/** What of the settings of machines, of the request log and of static keys does not fit the others. */
export function checkMachines(candidate: MachineCandidate): Issue[] {
  return [
    ...checkAddresses(candidate),
    ...checkRequestLog(candidate),
    ...checkStaticKeys(candidate),
    ...checkOwnAuthentication(candidate),
  ];
}

function checkAddresses({ deployment, database }: MachineCandidate): Issue[] {
  if (deployment?.topology !== "two-vm") return [];
  const machines: [Path, string][] = [[["deployment", "machine"], deployment.machine.address]];
  if (database?.kind === "machine") {
    machines.push([["database", "machine"], database.machine.address]);
  }
  const issues = machines.flatMap(([path, address]): Issue[] =>
    isLoopback(address) || address === "0.0.0.0" || address === "::"
      ? [
          {
            path: [...path, "address"],
            message: `is ${address}, which the other machine and the users do not reach`,
            command: setCommand([...path, "address"]),
          },
        ]
      : [],
  );
  const [gateway, server] = machines;
  if (gateway !== undefined && server !== undefined && gateway[1] === server[1]) {
    issues.push({
      path: ["database", "machine", "address"],
      message: `is ${server[1]}, the machine of the gateway (deployment.machine); PostgreSQL has one of its own`,
      command: setCommand(["database", "machine", "address"]),
    });
  }
  if (deployment.proxyAddress !== undefined && isLoopback(deployment.proxyAddress)) {
    issues.push({
      path: ["deployment", "proxyAddress"],
      message: `is ${deployment.proxyAddress}, which only the machine itself reaches; the checks ask the gateway from here`,
      command: removeCommand(["deployment", "proxyAddress"]),
    });
  }
  return issues;
}

function checkRequestLog({
  database,
  isRequestLogGiven,
  staticKeys = {},
}: MachineCandidate): Issue[] {
  if (database === undefined || hasRequestLog(database)) return [];
  const given = [
    ...(isRequestLogGiven ? ["requestLog"] : []),
    ...(Object.keys(staticKeys).length > 0 ? ["staticKeys"] : []),
  ];
  return given.map((key) => ({
    path: [key],
    message:
      database.kind === "machine"
        ? `is not used with database.engine "${database.engine}"`
        : `is not used with database.kind "${database.kind}"`,
    command:
      database.kind === "machine"
        ? `${setCommand(["database", "engine"], "both")}, or: ${removeCommand([key])}`
        : removeCommand([key]),
  }));
}

function checkStaticKeys({ staticKeys = {}, modelNames, secretNames }: MachineCandidate): Issue[] {
  return Object.entries(staticKeys).flatMap(([alias, { models, secret }]) => {
    const path = ["staticKeys", alias];
    const issues: Issue[] = models.flatMap((model, index) =>
      modelNames === undefined || modelNames.has(model)
        ? []
        : [
            {
              path: [...path, "models", index],
              message: `is ${JSON.stringify(model)}, which is no model of the gateway${suggest(model, modelNames)}`,
              command: removeCommand([...path, "models", index]),
            },
          ],
    );
    if (secret !== undefined && gatewaySecrets.has(secret)) {
      issues.push({
        path: [...path, "secret"],
        message: `is ${JSON.stringify(secret)}, a secret of the gateway itself`,
        command: removeCommand([...path, "secret"]),
      });
    } else if (secret !== undefined && !secretNames.has(secret)) {
      issues.push({
        path: [...path, "secret"],
        message: `needs the secret ${JSON.stringify(secret)}, which is not set${suggest(secret, secretNames)}`,
        command: setSecretCommand(secret),
      });
    }
    return issues;
  });
}

/** LiteLLM has one place for a check of keys, and static keys take it. */
function checkOwnAuthentication({
  database,
  generalSettings = {},
  litellmSettings = {},
}: MachineCandidate): Issue[] {
  if (database === undefined || !hasRequestLog(database)) return [];
  const asTyped = (keys: readonly string[]) => keys.map((key) => [key, "staticKeys"] as const);
  return [
    ...checkTypedTwice(
      asTyped(["custom_auth", "custom_auth_run_common_checks"]),
      ["generalSettings"],
      generalSettings,
    ),
    ...checkTypedTwice(
      asTyped(["enable_post_custom_auth_checks"]),
      ["litellmSettings"],
      litellmSettings,
    ),
  ];
}
