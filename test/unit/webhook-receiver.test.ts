import { afterAll, beforeAll, expect, it } from "vitest";

import { startWebhookReceiver, type WebhookReceiver } from "../support/webhook-receiver.ts";

let receiver: WebhookReceiver;

beforeAll(async () => {
  receiver = await startWebhookReceiver();
});

afterAll(() => receiver.close());

function post(path: string, body: string): Promise<Response> {
  return fetch(`http://127.0.0.1:${receiver.port}${path}`, { method: "POST", body });
}

it("finds a post that has come, and one that will", async () => {
  await post("/hook?first", JSON.stringify({ text: "first" }));
  const isSecond = ({ json }: { json: unknown }) => (json as { text?: string }).text === "second";
  const second = receiver.awaitPost(isSecond, 10_000);
  await expect(
    receiver.awaitPost(({ path }) => path === "/hook?first", 10_000),
  ).resolves.toMatchObject({ text: '{"text":"first"}', json: { text: "first" } });
  await post("/hook", JSON.stringify({ text: "second" }));
  await expect(second).resolves.toMatchObject({ path: "/hook", json: { text: "second" } });
});

it("says what has come where it is not what was meant", async () => {
  await post("/other", "plain");
  expect(receiver.posts.at(-1)).toMatchObject({ text: "plain", json: undefined });
  await expect(receiver.awaitPost(() => false, 20)).rejects.toThrow(
    /^what was meant was not posted in 20 ms; \d+ posts were:\n(.*\n)*\/other plain$/,
  );
});
