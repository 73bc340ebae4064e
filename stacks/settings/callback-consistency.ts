import type { AlertingSettings } from "./alerting-settings.ts";
import { callbackNeeds, type CallbackSettings } from "./callback-settings.ts";
import { type DeploymentSettings, isOnDockerHost } from "./deployment-settings.ts";
import type { Issue } from "./issue.ts";
import { listAlternatives, removeCommand, setCommand, suggest } from "./issue.ts";
import { checkTypedTwice } from "./router-consistency.ts";
import { setSecretCommand } from "./secret-names.ts";

type PassThrough = Readonly<Record<string, unknown>>;

interface CallbackCandidate {
  readonly deployment: DeploymentSettings | undefined;
  readonly callbacks: readonly CallbackSettings[] | undefined;
  readonly alerting: AlertingSettings | undefined;
  readonly litellmSettings: PassThrough | undefined;
  readonly generalSettings: PassThrough | undefined;
  readonly secretNames: ReadonlySet<string>;
}

/** What of `callbacks` does not fit the other settings. */
export function checkCallbacks(candidate: CallbackCandidate): Issue[] {
  const { callbacks = [], litellmSettings = {} } = candidate;
  const issues = callbacks.flatMap((callback, index) => [
    ...checkNeeds(callback, index, candidate),
    ...checkTwice(callback, index, candidate),
  ]);
  return callbacks.some(({ kind }) => kind === "s3")
    ? [
        ...issues,
        ...checkTypedTwice(
          [["s3_callback_params", "callbacks"]],
          ["litellmSettings"],
          litellmSettings,
        ),
      ]
    : issues;
}

function checkNeeds(
  { kind }: CallbackSettings,
  index: number,
  { deployment, secretNames }: CallbackCandidate,
): Issue[] {
  const path = ["callbacks", index, "kind"];
  const { secrets, optionalSecrets, pythonPackage } = callbackNeeds[kind];
  const isPartlyGiven = optionalSecrets.some((name) => secretNames.has(name));
  const missing = [...secrets, ...(isPartlyGiven ? optionalSecrets : [])].filter(
    (name) => !secretNames.has(name),
  );
  const issues: Issue[] = missing.map((name) => ({
    path,
    message: `is "${kind}", which needs the secret ${JSON.stringify(name)}, which is not set${suggest(name, secretNames)}`,
    command: setSecretCommand(name),
  }));
  if (pythonPackage !== undefined && deployment !== undefined && !isOnDockerHost(deployment)) {
    issues.push({
      path,
      message: `is "${kind}", which needs the Python package ${pythonPackage}: LiteLLM's image has it, topology "${deployment.topology}" does not`,
      command: removeCommand(["callbacks", index]),
    });
  }
  return issues;
}

function checkTwice(
  { kind }: CallbackSettings,
  index: number,
  { callbacks = [], litellmSettings = {} }: CallbackCandidate,
): Issue[] {
  const path = ["callbacks", index, "kind"];
  const first = callbacks.findIndex((callback) => callback.kind === kind);
  if (first !== index) {
    return [
      {
        path,
        message: `is "${kind}", as in callbacks[${first}]; LiteLLM has one of each kind`,
        command: removeCommand(["callbacks", index]),
      },
    ];
  }
  const { name } = callbackNeeds[kind];
  return ["callbacks", "success_callback", "failure_callback"].flatMap((key): Issue[] => {
    const given = litellmSettings[key];
    const position = Array.isArray(given) ? given.indexOf(name) : -1;
    if (position < 0) return [];
    const givenPath = ["litellmSettings", key, position];
    return [
      {
        path: givenPath,
        message: `is ${JSON.stringify(name)}, as is callbacks[${index}]; give one of them`,
        command: removeCommand(givenPath),
      },
    ];
  });
}

/** What of `alerting` does not fit the other settings. */
export function checkAlerting(candidate: CallbackCandidate): Issue[] {
  const { alerting, generalSettings = {}, secretNames } = candidate;
  if (alerting === undefined) return [];
  const { slack, webhook, types } = alerting;
  const secrets: [boolean, string, string][] = [
    [slack, "slack", "slackWebhookUrl"],
    [webhook, "webhook", "alertWebhookUrl"],
  ];
  const issues = secrets.flatMap(([isOn, key, secret]): Issue[] =>
    !isOn || secretNames.has(secret)
      ? []
      : [
          {
            path: [secret],
            message: `is required with alerting.${key}`,
            command: setSecretCommand(secret),
          },
        ],
  );
  if (slack || webhook) {
    const keys = ["alerting", "alerting_threshold", "alert_types"];
    issues.push(
      ...checkTypedTwice(
        keys.map((key) => [key, "alerting"] as const),
        ["generalSettings"],
        generalSettings,
      ),
    );
  } else if (types !== undefined) {
    issues.push({
      path: ["alerting", "types"],
      message: `is not used without ${listAlternatives(["alerting.slack", "alerting.webhook"])}`,
      command: setCommand(["alerting", "slack"], true),
    });
  }
  return issues;
}
