import { expect, test } from "vitest";

import { measureByHand, measureUp } from "../../bench/access-life.ts";
import { startCountingProxy } from "../../bench/counting-proxy.ts";
import type { LitellmServer } from "../../support/litellm-server.ts";

/** That what `npm run bench access` measures works, not how fast it is. */
export function describeAccessBench(server: () => LitellmServer): void {
  test.each([
    ["by commands of Pulumi", measureUp],
    ["by hand", measureByHand],
  ])("keys live and die %s, and their requests are counted", async (_, measure) => {
    const proxy = await startCountingProxy(server().url);
    try {
      const size = { teams: 1, keys: 5 };
      const life = await measure({ server: server(), proxy, size, changed: 1 });
      const { create, refresh, change, destroy } = life;
      expect(life.total).toBeCloseTo(create + refresh + change + destroy);
      // Each key is at least made and deleted.
      expect(life.requests).toBeGreaterThan(2 * size.keys);
    } finally {
      await proxy.close();
    }
  });
}
