import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";

import { startUpstream, type Upstream } from "../lab/upstream/server.ts";

const KEY = "sk-upstream";
const KEY_HASH = "33f99b5babe2";
const messages = [{ role: "user", content: "one two three" }];

let upstream: Upstream;

beforeAll(async () => {
  upstream = await startUpstream({ apiKey: KEY });
});

afterAll(() => upstream.close());

beforeEach(() => {
  upstream.resetRequests();
});

function post(
  path: string,
  body: object,
  headers: Record<string, string> = { authorization: `Bearer ${KEY}` },
) {
  return fetch(upstream.url + path, { method: "POST", headers, body: JSON.stringify(body) });
}

async function postJson(path: string, body: object): Promise<unknown> {
  return (await post(path, body)).json();
}

/** Documents of a stream, by event or by line. */
async function postStream(path: string, body: object): Promise<unknown[]> {
  const text = await (await post(path, { ...body, stream: true })).text();
  return text
    .split("\n")
    .map((line) => line.replace(/^data: /, ""))
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as unknown);
}

describe("OpenAI's API", () => {
  it("answers a chat with an echo and its usage", async () => {
    expect(await postJson("/v1/chat/completions", { model: "gpt", messages })).toMatchObject({
      model: "gpt",
      choices: [
        { message: { role: "assistant", content: "echo: one two three" }, finish_reason: "stop" },
      ],
      usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 },
    });
  });

  it("streams the same, with its usage when asked", async () => {
    const chunks = await postStream("/v1/chat/completions", {
      model: "gpt",
      messages,
      stream_options: { include_usage: true },
    });
    const contents = (chunks as { choices: { delta: { content?: string } }[] }[]).flatMap(
      ({ choices }) => choices.map(({ delta }) => delta.content ?? ""),
    );
    expect(contents.join("")).toBe("echo: one two three");
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: 7 } });
  });

  it("embeds, the same text always alike, in both encodings", async () => {
    const request = { model: "e", input: ["a", "b", "a"] };
    const { data } = (await postJson("/v1/embeddings", request)) as {
      data: { embedding: number[] }[];
    };
    expect(data).toHaveLength(3);
    expect(data[0]?.embedding).toEqual(data[2]?.embedding);
    expect(data[0]?.embedding).not.toEqual(data[1]?.embedding);
    const encoded = await postJson("/v1/embeddings", { ...request, encoding_format: "base64" });
    const [first] = (encoded as { data: { embedding: string }[] }).data;
    const bytes = Buffer.from(first?.embedding ?? "", "base64");
    expect([...new Float32Array(new Uint8Array(bytes).buffer)]).toEqual(data[0]?.embedding);
  });

  it("lists models", async () => {
    const response = await fetch(`${upstream.url}/v1/models`, {
      headers: { authorization: `Bearer ${KEY}` },
    });
    expect(await response.json()).toMatchObject({ data: [{ id: "upstream-chat" }, {}] });
  });
});

describe("Ollama's API", () => {
  it("streams a chat by lines unless told not to", async () => {
    const lines = await postStream("/api/chat", { model: "llama3", messages });
    const contents = (lines as { message: { content: string } }[]).map(
      ({ message }) => message.content,
    );
    expect(contents.join("")).toBe("echo: one two three");
    expect(lines.at(-1)).toMatchObject({ done: true, prompt_eval_count: 3, eval_count: 4 });
    expect(await postJson("/api/chat", { model: "llama3", messages, stream: false })).toMatchObject(
      {
        message: { content: "echo: one two three" },
        done: true,
      },
    );
  });

  it("generates and embeds, and knows no keys", async () => {
    expect((await post("/api/chat", { model: "llama3", messages }, {})).status).toBe(200);
    expect(
      await postJson("/api/generate", { model: "llama3", prompt: "hi", stream: false }),
    ).toMatchObject({ response: "echo: hi" });
    expect(await postJson("/api/embed", { model: "e", input: "hi" })).toMatchObject({
      embeddings: [expect.any(Array)],
    });
  });
});

describe("Anthropic's API", () => {
  it("answers and streams a message, with the key in its own header", async () => {
    const body = {
      model: "claude",
      messages: [{ role: "user", content: [{ type: "text", text: "hi" }] }],
    };
    const response = await post("/v1/messages", body, { "x-api-key": KEY });
    expect(await response.json()).toMatchObject({
      content: [{ type: "text", text: "echo: hi" }],
      usage: { input_tokens: 1, output_tokens: 2 },
    });
    const events = (await postStream("/v1/messages", body)) as { type: string }[];
    expect(events.map(({ type }) => type)).toEqual([
      "message_start",
      "content_block_start",
      "content_block_delta",
      "content_block_delta",
      "content_block_stop",
      "message_delta",
      "message_stop",
    ]);
  });
});

describe("what the model's name wishes", () => {
  it("fails with a status, in the words of the API", async () => {
    const response = await post("/v1/messages", { model: "claude-fail-529", messages });
    expect(response.status).toBe(529);
    expect(await response.json()).toMatchObject({ type: "error", error: { type: "api_error" } });
  });

  it("answers late", async () => {
    const started = performance.now();
    await postJson("/v1/chat/completions", { model: "gpt-delay-200", messages });
    expect(performance.now() - started).toBeGreaterThan(190);
  });

  it("pauses within a stream", async () => {
    const started = performance.now();
    await postStream("/v1/chat/completions", { model: "gpt-pause-50", messages });
    expect(performance.now() - started).toBeGreaterThan(250);
  });

  it("breaks a stream off", async () => {
    await expect(
      postStream("/v1/chat/completions", { model: "gpt-cut-2", messages }),
    ).rejects.toThrow("terminated");
  });
});

it("refuses another key, and counts by path, model and key", async () => {
  await post("/v1/chat/completions", { model: "gpt", messages });
  await post("/v1/chat/completions", { model: "gpt", messages });
  const refused = await post("/v1/embeddings", { model: "e", input: "a" }, {});
  expect(refused.status).toBe(401);
  const counts = [
    { path: "/v1/chat/completions", model: "gpt", keyHash: KEY_HASH, count: 2 },
    { path: "/v1/embeddings", model: "e", keyHash: "", count: 1 },
  ];
  expect(upstream.countRequests()).toEqual(counts);
  const control = `${upstream.url}/control/requests`;
  expect(await (await fetch(control)).json()).toEqual(counts);
  await fetch(control, { method: "DELETE" });
  expect(upstream.countRequests()).toEqual([]);
});

it("says what it does not know", async () => {
  const response = await post("/v1/audio/speech", {});
  expect(response.status).toBe(404);
  expect(await response.json()).toMatchObject({
    error: { message: "there is no POST /v1/audio/speech" },
  });
});
