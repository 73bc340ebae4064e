import { randomBytes } from "node:crypto";

import type { LitellmServer } from "../support/litellm-server.ts";
import { PulumiProject } from "../support/pulumi-project.ts";
import { AccessByHand, type AccessSize } from "./access-by-hand.ts";
import { time } from "./benchmark.ts";
import type { CountingProxy } from "./counting-proxy.ts";

/** What the life of keys consists of. */
export const PHASES = ["create", "refresh", "change", "destroy"] as const;

type Phase = (typeof PHASES)[number];

/** Seconds by phase, and of all of them; how many requests they took. */
export type Life = Readonly<Record<Phase | "total" | "requests", number>>;

export interface AccessLife {
  /** A gateway that nobody else makes keys in; what a failure leaves behind ends with it. */
  readonly server: LitellmServer;
  /** In front of the server. */
  readonly proxy: CountingProxy;
  readonly size: AccessSize;
  /** How many keys get another budget. */
  readonly changed: number;
}

/** By commands of Pulumi, each of them a process of its own. */
export async function measureUp(life: AccessLife): Promise<Life> {
  const { server, proxy, size, changed } = life;
  const project = await PulumiProject.create({
    links: { "program.ts": "test/bench/programs/access.ts" },
    main: "program.ts",
  });
  try {
    await project.setConfig("url", proxy.url);
    await project.setConfig("masterKey", server.masterKey, { secret: true });
    await project.setConfig("size", JSON.stringify({ ...size, prefix: makePrefix() }));
    await project.setConfig("changed", "0");
    return await measure(life, {
      create: async () => time(() => project.up()),
      refresh: async () => time(() => project.refresh("--expect-no-changes")),
      change: async () => {
        await project.setConfig("changed", String(changed));
        return time(() => project.up());
      },
      destroy: async () => time(() => project.destroy()),
    });
  } finally {
    project.remove();
  }
}

/** By a script with one request after the other. */
export function measureByHand(life: AccessLife): Promise<Life> {
  const { server, proxy, size, changed } = life;
  const endpoint = { url: proxy.url, masterKey: server.masterKey };
  const script = new AccessByHand(endpoint, makePrefix(), size);
  return measure(life, {
    create: () => time(() => script.create()),
    refresh: () => time(() => script.refresh()),
    change: () => time(() => script.change(changed)),
    destroy: () => time(() => script.destroy()),
  });
}

/** @throws Error where the number of keys is not what it must be */
async function measure(
  { server, proxy, size }: AccessLife,
  phases: Readonly<Record<Phase, () => Promise<{ readonly seconds: number }>>>,
): Promise<Life> {
  const before = await countKeys(server);
  proxy.takeCounts();
  const { seconds: create } = await phases.create();
  await expectKeys(server, before + size.keys);
  const { seconds: refresh } = await phases.refresh();
  const { seconds: change } = await phases.change();
  await expectKeys(server, before + size.keys);
  const { seconds: destroy } = await phases.destroy();
  await expectKeys(server, before);
  const requests = [...proxy.takeCounts().values()].reduce((sum, count) => sum + count, 0);
  return {
    ...{ create, refresh, change, destroy, requests },
    total: create + refresh + change + destroy,
  };
}

async function expectKeys(server: LitellmServer, expected: number): Promise<void> {
  const found = await countKeys(server);
  if (found !== expected) throw new Error(`there are ${found} keys, and not ${expected}`);
}

async function countKeys({ client }: LitellmServer): Promise<number> {
  const { total_count } = (await client.succeed("/key/list?size=1")) as { total_count: number };
  return total_count;
}

const makePrefix = (): string => `bench-${randomBytes(4).toString("hex")}`;
