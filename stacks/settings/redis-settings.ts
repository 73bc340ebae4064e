import { z } from "zod";

import { image } from "./image.ts";
import type { DeepReadonly } from "./models.ts";
import { boolean, integer, number } from "./scalars.ts";

const NoRedis = z.strictObject({
  kind: z.literal("none").default("none").meta({
    description: "No Redis: nothing is cached, and each worker counts usage for itself.",
  }),
});

const ManagedRedis = z.strictObject({
  kind: z.literal("managed").meta({
    description: "A Redis server of the stack's own, reached by nobody else. Topology `traefik`.",
  }),
  version: integer({ min: 7, max: 8 })
    .default(8)
    .meta({ description: "Major version of Redis.", examples: [8] }),
  image: image()
    .optional()
    .meta({ description: "Image of Redis. Default: `redis:<version>`.", examples: ["redis:8"] }),
  memoryMegabytes: integer({ min: 16 })
    .default(256)
    .meta({ description: "Memory for what it holds, in MiB.", examples: [256] }),
  evictionPolicy: z
    .enum([
      "allkeys-lru",
      "allkeys-lfu",
      "allkeys-random",
      "volatile-lru",
      "volatile-lfu",
      "volatile-random",
      "volatile-ttl",
      "noeviction",
    ])
    .default("allkeys-lru")
    .meta({ description: "What goes when the memory is full: Redis's `maxmemory-policy`." }),
  persistence: z.enum(["none", "aof"]).default("none").meta({
    description:
      "What a restart leaves: nothing, which a cache can bear, or all but the last second (`aof`).",
  }),
  cpus: number({ above: 0 }).default(1).meta({ description: "CPUs that it may use." }),
  keepVolume: boolean().default(false).meta({
    description: "Leave the volume on the Docker host when it is deleted from the stack.",
  }),
});

const ExternalRedis = z.strictObject({
  kind: z
    .literal("external")
    .meta({ description: "An existing Redis server, with the secret `redisPassword` if any." }),
  host: z
    .string()
    .trim()
    .min(1)
    .meta({ description: "Host name or address of the server.", examples: ["redis.example.com"] }),
  port: integer({ min: 1, max: 65535 })
    .default(6379)
    .meta({ description: "Port of the server.", examples: [6379] }),
  tls: boolean()
    .default(false)
    .meta({
      description: "Encrypt the connection, and check the server's certificate.",
      examples: [true],
    }),
  username: z
    .string()
    .trim()
    .min(1)
    .optional()
    .meta({ description: "User to log in as. Default: Redis's own, `default`." }),
});

/** The Redis server of the proxies; a variant for each origin of it. */
export const Redis = z.discriminatedUnion("kind", [NoRedis, ManagedRedis, ExternalRedis]);

export type RedisSettings = DeepReadonly<z.output<typeof Redis>>;
export type ManagedRedisSettings = Extract<RedisSettings, { kind: "managed" }>;
