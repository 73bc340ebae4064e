import type { CacheSettings } from "./cache-settings.ts";
import { type DeploymentSettings, isOnDockerHost } from "./deployment-settings.ts";
import { DOCKER_HOST_NAME, isLoopback } from "../hosts.ts";
import type { Issue } from "./issue.ts";
import { removeCommand, setCommand } from "./issue.ts";
import type { RedisSettings } from "./redis-settings.ts";
import { checkTypedTwice } from "./router-consistency.ts";
import { setSecretCommand } from "./secret-names.ts";

type PassThrough = Readonly<Record<string, unknown>>;

interface RedisCandidate {
  readonly deployment: DeploymentSettings | undefined;
  readonly redis: RedisSettings | undefined;
  readonly cache: CacheSettings | undefined;
  readonly routerSettings: PassThrough | undefined;
  readonly litellmSettings: PassThrough | undefined;
  readonly environmentVariables: Readonly<Record<string, string>> | undefined;
  readonly secretNames: ReadonlySet<string>;
}

/** What of `redis` and `cache` does not fit the other settings. */
export function checkRedis(candidate: RedisCandidate): Issue[] {
  return [...checkServer(candidate), ...checkCache(candidate), ...checkOwnKeys(candidate)];
}

function checkServer({ deployment, redis, secretNames }: RedisCandidate): Issue[] {
  if (redis === undefined || deployment === undefined) return [];
  if (redis.kind === "managed" && deployment.topology !== "traefik") {
    const path = ["redis", "kind"];
    return [
      {
        path,
        message: `is "managed", which topology "${deployment.topology}" does not have; it has none, external`,
        command: setCommand(path, "external"),
      },
    ];
  }
  if (redis.kind !== "external") return [];
  const issues: Issue[] = [];
  if (isOnDockerHost(deployment) && isLoopback(redis.host)) {
    const path = ["redis", "host"];
    issues.push({
      path,
      message: `is ${JSON.stringify(redis.host)}, which inside a container is the container itself; the Docker host is ${DOCKER_HOST_NAME}`,
      command: setCommand(path, DOCKER_HOST_NAME),
    });
  }
  if (redis.username !== undefined && !secretNames.has("redisPassword")) {
    issues.push({
      path: ["redisPassword"],
      message: "is required with redis.username",
      command: setSecretCommand("redisPassword"),
    });
  }
  return issues;
}

function checkCache({ deployment, cache, redis, litellmSettings = {} }: RedisCandidate): Issue[] {
  if (cache?.enabled !== true) return [];
  const issues: Issue[] = checkTypedTwice(
    [
      ["cache", "cache.enabled"],
      ["cache_params", "cache"],
    ],
    ["litellmSettings"],
    litellmSettings,
  );
  if (redis?.kind === "none") {
    issues.push({
      path: ["cache", "enabled"],
      message: "is true, but there is no Redis to keep answers in",
      command:
        deployment?.topology === "traefik"
          ? setCommand(["redis", "kind"], "managed")
          : `${setCommand(["redis", "kind"], "external")} && ${setCommand(["redis", "host"])}`,
    });
  }
  return issues;
}

/** Environment variables that LiteLLM finds Redis by. */
const redisVariables = ["REDIS_HOST", "REDIS_PORT", "REDIS_SSL", "REDIS_URL", "REDIS_USERNAME"];

/** With `redis` the deployment tells LiteLLM where it is. */
function checkOwnKeys(candidate: RedisCandidate): Issue[] {
  const { redis, routerSettings = {}, environmentVariables = {} } = candidate;
  if (redis === undefined || redis.kind === "none") return [];
  const keys = ["redis_host", "redis_port", "redis_password", "redis_url"];
  return [
    ...checkTypedTwice(
      keys.map((key) => [key, "redis"] as const),
      ["routerSettings"],
      routerSettings,
    ),
    ...redisVariables.flatMap((name): Issue[] => {
      if (!Object.hasOwn(environmentVariables, name)) return [];
      const path = ["environmentVariables", name];
      return [
        {
          path,
          message: "is set by the deployment itself; use redis instead",
          command: removeCommand(path),
        },
      ];
    }),
  ];
}
