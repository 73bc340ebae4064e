import type { ContainerPlan } from "./container-plan.ts";
import type { RedisContainerPlan } from "./plan.ts";
import type { ManagedRedisSettings } from "../settings/redis-settings.ts";

/** Inside the container. */
export const REDIS_PORT = 6379;
const DATA_FOLDER = "/data";

/**
 * A Redis server of the stack's own. Its password reaches it by the environment and a file in memory:
 * on a command line everybody on the host could read it.
 */
export function planRedis(
  redis: ManagedRedisSettings,
  options: { readonly prefix: string; readonly networks: ContainerPlan["networks"] },
): RedisContainerPlan {
  const { prefix, networks } = options;
  const { memoryMegabytes, evictionPolicy, persistence } = redis;
  const volume = persistence === "aof" ? `${prefix}-redis` : undefined;
  const directives = [
    `maxmemory ${memoryMegabytes}mb`,
    `maxmemory-policy ${evictionPolicy}`,
    `appendonly ${persistence === "aof" ? "yes" : "no"}`,
    // No snapshots: what is to survive is in the append-only file.
    'save ""',
    `dir ${DATA_FOLDER}`,
  ];
  const lines = directives.map((directive) => `'${directive}'`).join(" ");
  return {
    volume,
    keepVolume: redis.keepVolume,
    container: {
      name: `${prefix}-redis`,
      image: redis.image ?? `redis:${redis.version}`,
      user: "redis",
      entrypoint: ["sh", "-c"],
      command: [
        `umask 077 && printf '%s\\n' ${lines} "requirepass $REDIS_PASSWORD" > /tmp/redis.conf && exec redis-server /tmp/redis.conf`,
      ],
      variables: {},
      secretVariables: { REDIS_PASSWORD: "redisPassword" },
      labels: {},
      networks,
      ports: [],
      volumes: volume === undefined ? [] : [{ volume, folder: DATA_FOLDER, readOnly: false }],
      temporaryFolders: {
        // Any other folder in memory is root's alone when the container is started again.
        "/tmp": 1,
        ...(volume === undefined && { [DATA_FOLDER]: 1 }),
      },
      init: false,
      capabilities: [],
      cpus: redis.cpus,
      // Beside the data: buffers of its clients, and the copy that a rewrite of the file makes.
      memoryMegabytes: memoryMegabytes * 2 + 64,
      sharedMemoryMegabytes: 64,
      service: {
        probe: ["sh", "-c", 'REDISCLI_AUTH="$REDIS_PASSWORD" redis-cli ping | grep -q PONG'],
        intervalSeconds: 10,
        timeoutSeconds: 5,
        retries: 3,
        readyDeadlineSeconds: 60,
      },
      stopSignal: "SIGTERM",
      stopGraceSeconds: 30,
    },
  };
}
