import type { AccessSettings } from "./access-settings.ts";
import { formatPath, type Path, setCommand } from "./issue.ts";
import { isLoopback } from "../hosts.ts";
import { countingStrategies } from "./router-settings.ts";
import type { Settings } from "./settings.ts";

/** What is allowed, and what the user should know of before it is done. */
export function listWarnings(settings: Settings, now = new Date()): string[] {
  return [
    ...warnOfDebug(settings),
    ...warnOfStrategy(settings),
    ...warnOfCache(settings),
    ...warnOfWebhook(settings),
    ...warnOfPlainText(settings),
    ...warnOfExpiry(settings, now),
    ...warnOfBudgets(settings),
    ...warnOfStrangers(settings),
  ];
}

function warnOfDebug({ detailedDebug }: Settings): string[] {
  return detailedDebug
    ? [
        "detailedDebug is on: the proxy's log holds prompts and answers, and those secrets that LiteLLM does not recognise and hide. Turn it off when the fault is found, and delete the log:\n  pulumi config rm detailedDebug",
      ]
    : [];
}

/** Each worker process counts for itself, unless there is a Redis that they count in. */
function warnOfStrategy({ deployment, redis, router, routerSettings }: Settings): string[] {
  const strategy = router.strategy ?? routerSettings["routing_strategy"];
  if (deployment.topology === "existing") return [];
  const replicas = deployment.topology === "traefik" ? deployment.replicas : 1;
  const processes = deployment.workers * replicas;
  if (typeof strategy !== "string" || !countingStrategies.has(strategy)) return [];
  if (redis.kind !== "none" || processes === 1) return [];
  const setting =
    router.strategy === undefined ? "routerSettings.routing_strategy" : "router.strategy";
  return [
    `${setting} is "${strategy}", which goes by what was used before, but without Redis each of the ${processes} worker processes knows only its own requests:\n  pulumi config set --path redis.kind ${deployment.topology === "traefik" ? "managed" : "external"}`,
  ];
}

function warnOfCache({ cache }: Settings): string[] {
  return cache.enabled && cache.sharedBetweenKeys
    ? [
        "cache.sharedBetweenKeys is on: whoever asks what another key has asked gets that key's answer, whatever the teams of the two:\n  pulumi config rm --path cache.sharedBetweenKeys",
      ]
    : [];
}

/** LiteLLM posts to a webhook of its own format what becomes of budgets, and nothing else. */
function warnOfWebhook({ alerting, database }: Settings): string[] {
  return alerting.webhook && database.kind === "none"
    ? [
        "alerting.webhook tells of budgets only, which there are none of without a database:\n  pulumi config set --path alerting.slack true",
      ]
    : [];
}

/** No error: a stack that nobody has changed must not fail because time went by. */
function warnOfExpiry({ access }: Settings, now: Date): string[] {
  return Object.entries(access.keys).flatMap(([name, { expires }]) => {
    if (expires === undefined || new Date(expires) > now) return [];
    const path = ["access", "keys", name, "expires"];
    return [
      `${formatPath(path)} is ${expires}, which is past: the key is refused:\n  ${setCommand(path)}`,
    ];
  });
}

/** LiteLLM stops at whichever budget is spent first. */
function warnOfBudgets({ access: { teams, keys } }: Settings): string[] {
  const warn = (path: Path, budget: number | undefined, name: string): string[] => {
    const shared = teams[name]?.maxBudget;
    if (budget === undefined || shared === undefined || budget <= shared) return [];
    return [
      `${formatPath(path)} is ${budget}, but team ${JSON.stringify(name)} may spend ${shared} in all:\n  ${setCommand(path, shared)}`,
    ];
  };
  return [
    ...Object.entries(keys).flatMap(([name, { team, maxBudget }]) =>
      team === undefined ? [] : warn(["access", "keys", name, "maxBudget"], maxBudget, team),
    ),
    ...Object.entries(teams).flatMap(([name, { members }]) =>
      Object.entries(members).flatMap(([user, { maxBudget }]) =>
        warn(["access", "teams", name, "members", user, "maxBudget"], maxBudget, name),
      ),
    ),
  ];
}

/** LiteLLM lets an admin make such a key, and finds no limits for its user in the team. */
function warnOfStrangers({ access }: Settings): string[] {
  return Object.entries(access.keys).flatMap(([name, { team, user }]) => {
    const members: AccessSettings["teams"][string]["members"] | undefined =
      team === undefined ? undefined : access.teams[team]?.members;
    if (team === undefined || user === undefined || members === undefined) return [];
    if (Object.hasOwn(members, user)) return [];
    const path = ["access", "teams", team, "members", user, "maxBudget"];
    return [
      `${formatPath(["access", "keys", name, "user"])} is ${JSON.stringify(user)}, who is no member of team ${JSON.stringify(team)}: no limits of members hold for the key:\n  ${setCommand(path)}`,
    ];
  });
}

function warnOfPlainText({ deployment }: Settings): string[] {
  if (deployment.topology !== "existing" || deployment.machine !== undefined) return [];
  const { protocol, hostname } = new URL(deployment.url);
  return protocol === "https:" || isLoopback(hostname)
    ? []
    : [
        `deployment.url is ${deployment.url}: without TLS whoever is in between reads the master key. Give the URL that has it, or a machine there to go through by SSH:\n  pulumi config set --path deployment.machine.address <address>`,
      ];
}
