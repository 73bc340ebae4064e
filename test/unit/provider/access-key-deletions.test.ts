import { expect, test } from "vitest";

import { Refusal } from "../../../components/provider/access/api-failure.ts";
import { KeyDeletions } from "../../../components/provider/access/key-deletions.ts";

const { signal } = new AbortController();

/** A gateway that answers each request when it is let go. */
function startGateway(refuse: (keys: readonly string[]) => Error | undefined = () => undefined) {
  const requests: (readonly string[])[] = [];
  const held: (() => void)[] = [];
  let isHeld = false;
  const deletions = new KeyDeletions({
    async call({ body }) {
      const { keys } = body as { keys: readonly string[] };
      requests.push(keys);
      if (isHeld) await new Promise<void>((resolve) => held.push(resolve));
      const refusal = refuse(keys);
      if (refusal !== undefined) throw refusal;
    },
  });
  return {
    deletions,
    requests,
    hold: () => {
      isHeld = true;
    },
    letGo: () => {
      isHeld = false;
      for (const proceed of held.splice(0)) proceed();
    },
  };
}

const refusal = (status: number): Refusal => new Refusal("POST /key/delete", status, "no");

test("who asks at once is in one request", async () => {
  const { deletions, requests } = startGateway();
  await Promise.all(["a", "b", "c"].map((id) => deletions.delete(id, signal)));
  expect(requests).toEqual([["a", "b", "c"]]);
});

test("who asks while a request is under way goes with all who wait", async () => {
  const { deletions, requests, hold, letGo } = startGateway();
  hold();
  const first = deletions.delete("a", signal);
  await expect.poll(() => requests).toEqual([["a"]]);
  const others = ["b", "c"].map((id) => deletions.delete(id, signal));
  letGo();
  await Promise.all([first, ...others]);
  expect(requests).toEqual([["a"], ["b", "c"]]);
  await deletions.delete("d", signal);
  expect(requests.at(-1)).toEqual(["d"]);
});

test("where several are refused, each is asked for, and only what is refused fails", async () => {
  const { deletions, requests } = startGateway((keys) =>
    keys.includes("b") ? refusal(403) : undefined,
  );
  const deleted = await Promise.allSettled(
    ["a", "b", "c"].map((id) => deletions.delete(id, signal)),
  );
  expect(deleted.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(requests).toEqual([["a", "b", "c"], ["a"], ["b"], ["c"]]);
});

test("what is gone is deleted", async () => {
  const { deletions } = startGateway(() => refusal(404));
  await expect(deletions.delete("a", signal)).resolves.toBeUndefined();
});

test("a gateway that is away is asked once for all of them", async () => {
  const { deletions, requests } = startGateway(() => new Error("away"));
  const deleted = await Promise.allSettled(["a", "b"].map((id) => deletions.delete(id, signal)));
  expect(deleted.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect(requests).toHaveLength(1);
});

test("who is cancelled takes nobody else along, and waits for nobody", async () => {
  const { deletions, requests, hold, letGo } = startGateway();
  hold();
  const first = deletions.delete("a", signal);
  await expect.poll(() => requests).toHaveLength(1);
  const cancellation = new AbortController();
  const cancelled = deletions.delete("b", cancellation.signal);
  const other = deletions.delete("c", signal);
  cancellation.abort(new Error("cancelled"));
  await expect(cancelled).rejects.toThrow("cancelled");
  letGo();
  await Promise.all([first, other]);
  expect(requests).toContainEqual(["c"]);
});
