import { countingStrategies } from "./router-settings.ts";
import type { Settings } from "./settings.ts";

/** What is allowed, and what the user should know of before it is done. */
export function listWarnings(settings: Settings): string[] {
  return [...warnOfDebug(settings), ...warnOfStrategy(settings), ...warnOfCache(settings)].concat(
    warnOfWebhook(settings),
  );
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
