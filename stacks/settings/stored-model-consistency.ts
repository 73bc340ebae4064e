import { type AccessSettings, usesStoredModels } from "./access-settings.ts";
import type { Issue, Path } from "./issue.ts";
import { isCredential, isSecretName, removeCommand, setCommand, suggest } from "./issue.ts";
import { checkPassThrough, referencedVariables } from "./litellm-keys.ts";
import { gatewaySecrets, setSecretCommand, toCamelCase } from "./secret-names.ts";

/** One issue for each secret that is not set, whatever the number of entries that need it. */
export function checkSecrets(access: AccessSettings, secretNames: ReadonlySet<string>): Issue[] {
  const missing = new Set<string>();
  return listAccessSecrets(access).flatMap(({ path, secret }): Issue[] => {
    if (gatewaySecrets.has(secret)) {
      return [
        {
          path,
          message: `is ${JSON.stringify(secret)}, a secret of the gateway itself`,
          command: removeCommand(path),
        },
      ];
    }
    if (secretNames.has(secret) || missing.has(secret)) return [];
    missing.add(secret);
    return [
      {
        path,
        message: `needs the secret ${JSON.stringify(secret)}, which is not set${suggest(secret, secretNames)}`,
        command: setSecretCommand(secret),
      },
    ];
  });
}

/** Names of the secrets that `access` uses, and where. */
export function listAccessSecrets({
  keys,
  credentials,
  models,
}: AccessSettings): readonly { readonly path: Path; readonly secret: string }[] {
  const named = (names: Readonly<Record<string, string>>, path: Path) =>
    Object.entries(names).map(([key, secret]) => ({ path: [...path, key], secret }));
  const optional = (secret: string | undefined, path: Path) =>
    secret === undefined ? [] : [{ path, secret }];
  return [
    ...Object.entries(keys).flatMap(([name, { secret }]) =>
      optional(secret, ["access", "keys", name, "secret"]),
    ),
    ...Object.entries(credentials).flatMap(([name, { secretValues }]) =>
      named(secretValues, ["access", "credentials", name, "secretValues"]),
    ),
    ...Object.entries(models).flatMap(([name, { apiKey, secretParams }]) => [
      ...optional(apiKey, ["access", "models", name, "apiKey"]),
      ...named(secretParams, ["access", "models", name, "secretParams"]),
    ]),
  ];
}

/** Secrets in plain text among what credentials are made of, and what is given twice. */
export function checkCredentials({ credentials }: AccessSettings): Issue[] {
  const empty = Object.entries(credentials)
    .filter(
      ([, { values, secretValues }]) => Object.keys({ ...values, ...secretValues }).length === 0,
    )
    .map(([name]): Issue => {
      const path = ["access", "credentials", name];
      return {
        path,
        message: "needs one value at least, in values or secretValues",
        command: setCommand([...path, "secretValues", "api_key"]),
      };
    });
  const wrong = Object.entries(credentials).flatMap(([name, { values, secretValues }]) =>
    Object.entries(values).flatMap(([key, value]): Issue[] => {
      const parent = ["access", "credentials", name];
      const path = [...parent, "values", key];
      if (Object.hasOwn(secretValues, key)) {
        return [
          {
            path,
            message: "is given in secretValues too; give one of them",
            command: removeCommand(path),
          },
        ];
      }
      return isSecretName(key) || isCredential(value)
        ? [refusePlainText(path, [...parent, "secretValues", key])]
        : [];
    }),
  );
  return [...empty, ...wrong];
}

/** @param better where the name of the secret belongs */
function refusePlainText(path: Path, better: Path): Issue {
  const secret = toCamelCase(`${better[2] ?? ""}_${better.at(-1) ?? ""}`);
  return {
    path,
    message: "holds a secret in plain text (not shown); store it as a secret, and give its name",
    command: [removeCommand(path), setSecretCommand(secret), setCommand(better, secret)].join(
      " && ",
    ),
  };
}

/** What to use instead of a key of LiteLLM's that follows from our settings. */
const managedParams: Readonly<Record<string, string>> = {
  api_key: "apiKey",
  litellm_credential_name: "credential",
};

/** What of the models that are stored in the database does not fit LiteLLM, or the other settings. */
export function checkStoredModels(
  access: AccessSettings,
  generalSettings: Readonly<Record<string, unknown>> | undefined,
): Issue[] {
  const isStored = generalSettings?.["store_model_in_db"];
  const issues = Object.entries(access.models).flatMap(([name, model]) => [
    ...checkParams(model, ["access", "models", name]),
    ...checkModelInfo(model, ["access", "models", name, "modelInfo"]),
  ]);
  if (!usesStoredModels(access) || isStored === undefined || isStored === true) return issues;
  const path = ["generalSettings", "store_model_in_db"];
  return [
    ...issues,
    {
      path,
      message:
        "must be true with access.models and access.credentials, which are stored in the database",
      command: removeCommand(path),
    },
  ];
}

function checkParams(
  { params, secretParams, apiKey }: AccessSettings["models"][string],
  parent: Path,
): Issue[] {
  const issues: Issue[] = [];
  const path = [...parent, "params"];
  if (typeof params["model"] !== "string" || params["model"] === "") {
    issues.push({
      path: [...path, "model"],
      message: "is required: LiteLLM's name of the model, with the provider before a slash",
      command: setCommand([...path, "model"], "openai/gpt-5"),
    });
  }
  for (const [key, setting] of Object.entries(managedParams)) {
    if (!Object.hasOwn(params, key)) continue;
    issues.push({
      path: [...path, key],
      message: `is set by the deployment itself; use ${setting} instead`,
      command: `${removeCommand([...path, key])} && ${setCommand([...parent, setting])}`,
    });
  }
  for (const { path: inner } of referencedVariables(params, path)) {
    issues.push({
      path: inner,
      message:
        "refers to the environment of the proxy, which LiteLLM shows nothing of: give the value, or name a secret in secretParams",
      command: removeCommand(inner),
    });
  }
  for (const key of Object.keys(secretParams)) {
    const isTwice = Object.hasOwn(params, key) || (key === "api_key" && apiKey !== undefined);
    if (!isTwice) continue;
    issues.push({
      path: [...parent, "secretParams", key],
      message: `is given in ${Object.hasOwn(params, key) ? "params" : "apiKey"} too; give one of them`,
      command: removeCommand([...parent, "secretParams", key]),
    });
  }
  for (const [key, value] of Object.entries(params)) {
    if (Object.hasOwn(managedParams, key) || typeof value !== "string") continue;
    if (value.startsWith("os.environ/") || (!isSecretName(key) && !isCredential(value))) continue;
    issues.push(refusePlainText([...path, key], [...parent, "secretParams", key]));
  }
  const refused = new Set(issues.map((issue) => issue.path[path.length]));
  const others = Object.entries(params).filter(([key]) => !refused.has(key));
  return [...issues, ...checkPassThrough("litellm_params", Object.fromEntries(others), path)];
}

function checkModelInfo({ modelInfo }: AccessSettings["models"][string], path: Path): Issue[] {
  const taken: Readonly<Record<string, string>> = {
    id: "is set by the deployment itself; use id of the model instead",
    managed_by: "says in LiteLLM's pages which stack manages the model; use another name",
    team_id: "needs LiteLLM's licence; a team may use the models of its list",
  };
  const others = Object.entries(modelInfo).filter(([key]) => !Object.hasOwn(taken, key));
  return [
    ...Object.entries(taken)
      .filter(([key]) => Object.hasOwn(modelInfo, key))
      .map(([key, message]) => ({
        path: [...path, key],
        message,
        command: removeCommand([...path, key]),
      })),
    ...checkPassThrough("model_info", Object.fromEntries(others), path),
  ];
}
