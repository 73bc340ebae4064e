import { createHash, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

import { beforeAll, describe, expect, test } from "vitest";

import { Unavailable } from "../../../components/provider/access/api-failure.ts";
import { type Gateway, openGateway } from "../../../components/provider/access/gateway.ts";
import type { LitellmServer } from "../../support/litellm-server.ts";
import { operationContext } from "../../support/operation-context.ts";
import { querySql } from "../../support/postgres-server.ts";

const { signal } = new AbortController();
const KEYS = 30;
let server: LitellmServer;

function open(changes: object = {}): Gateway {
  const { url, masterKey } = server;
  return openGateway(
    operationContext(signal, { url, masterKey, ...changes, test: randomUUID() }).context,
  );
}

/** Makes keys at once, as `up` does. */
function createKeys({ api, keys }: Gateway, name: string): Promise<unknown> {
  const create = (index: number) => {
    const key = `sk-${randomUUID()}`;
    const token = createHash("sha256").update(key).digest("hex");
    const body = { key, key_alias: `${name} ${index}` };
    return api.create({ path: "/key/generate", body, signal }, () => keys.findNow(token, signal));
  };
  return Promise.all(Array.from({ length: KEYS }, (_, index) => create(index)));
}

async function listAliases(name: string): Promise<string[]> {
  const keys = await open().listKeys(signal);
  return keys.map(({ key_alias }) => key_alias ?? "").filter((alias) => alias.startsWith(name));
}

/** Until the first of them are made. */
async function awaitFirst(gateway: Gateway): Promise<void> {
  while (gateway.api.requests < 10) await sleep(5);
}

/** @param isThere - whether the database takes connections; those that there are end with it */
async function switchDatabase(isThere: boolean): Promise<void> {
  const url = new URL(server.databaseUrl);
  url.pathname = "/postgres";
  await querySql(url.href, `ALTER DATABASE litellm ALLOW_CONNECTIONS ${isThere}`);
  if (isThere) return;
  await querySql(
    url.href,
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'litellm'",
  );
}

/** The gateway is stopped meanwhile, and its database too. */
export function describeOutages(getServer: () => LitellmServer): void {
  describe("a gateway that goes away", () => {
    beforeAll(() => {
      server = getServer();
    });

    test("a gateway that is killed and restarted meanwhile has made each key once", async () => {
      const gateway = open();
      const made = createKeys(gateway, "killed");
      await awaitFirst(gateway);
      await server.halt("SIGKILL");
      await server.start();
      await made;
      const aliases = await listAliases("killed");
      expect(new Set(aliases).size).toBe(KEYS);
      expect(aliases).toHaveLength(KEYS);
    });

    test("a database that is away for a while has each key once", async () => {
      const gateway = open();
      const made = createKeys(gateway, "away");
      await awaitFirst(gateway);
      await switchDatabase(false);
      await sleep(3000);
      await switchDatabase(true);
      await made;
      const aliases = await listAliases("away");
      expect(new Set(aliases).size).toBe(KEYS);
      expect(aliases).toHaveLength(KEYS);
    });

    test("a database that stays away is waited for, and not taken for an empty one", async () => {
      const gateway = open({ patienceSeconds: 3 });
      await gateway.listTeams(signal);
      // LiteLLM itself answers 404 for a team then, whichever.
      await switchDatabase(false);
      try {
        const asked = await Promise.allSettled([
          gateway.listTeams(signal),
          gateway.teams.findNow("a", signal),
          gateway.keys.findNow("0".repeat(64), signal),
          gateway.users.findNow("a", signal),
          gateway.budgets.findNow("a", signal),
        ]);
        for (const outcome of asked) {
          expect(outcome.status).toBe("rejected");
          expect((outcome as PromiseRejectedResult).reason).toBeInstanceOf(Unavailable);
        }
      } finally {
        await switchDatabase(true);
      }
    });

    test("a gateway that stays away is said to be, once for all", async () => {
      const gateway = open({ patienceSeconds: 2 });
      await gateway.listTeams(signal);
      await server.halt();
      const before = performance.now();
      const asked = await Promise.allSettled(
        Array.from({ length: 50 }, () => gateway.listTeams(signal)),
      );
      expect(performance.now() - before).toBeLessThan(4000);
      for (const outcome of asked) {
        expect(String((outcome as PromiseRejectedResult).reason)).toMatch(
          /has not done GET \/team\/list within 2 s: .*ECONNREFUSED.*curl http/,
        );
      }
      await server.start();
    });
  });
}
