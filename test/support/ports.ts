import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

/** Set by `npm test` where others choose ports at the same time, to `0` or `1`: which half of them is ours. */
export const HALF_VARIABLE = "LITELLM_GATEWAY_TEST_PORTS";

const [FIRST, MIDDLE, END] = [20_000, 25_000, 30_000];

/**
 * A TCP port of 127.0.0.1 that is free now. It is none of those that the system gives to whoever asks for
 * any, as Pulumi and its plugins do: one of them would have it before the test does.
 */
export async function findFreePort(): Promise<number> {
  const half = process.env[HALF_VARIABLE];
  for (;;) {
    const port = randomInt(half === "1" ? MIDDLE : FIRST, half === "0" ? MIDDLE : END);
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch {
    return false;
  }
  server.close();
  await once(server, "close");
  return true;
}
