/** What a gateway answered. */
export interface Answer {
  readonly status: number;
  /** The body as it came, and read as JSON where it is. */
  readonly text: string;
  readonly json: unknown;
}

/** A client of a running gateway, with one key. */
export class GatewayClient {
  readonly #url: string;
  readonly #key: string;

  constructor(url: string, key: string) {
    this.#url = url;
    this.#key = key;
  }

  /** The same gateway with another key. */
  as(key: string): GatewayClient {
    return new GatewayClient(this.#url, key);
  }

  /** A POST where there is a body. */
  async request(path: string, body?: object): Promise<Answer> {
    const response = await fetch(`${this.#url}${path}`, {
      method: body === undefined ? "GET" : "POST",
      headers: { authorization: `Bearer ${this.#key}`, "content-type": "application/json" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, text, json: parseJson(text) };
  }

  /** @throws Error with the answer, when it is none of success */
  async succeed(path: string, body?: object): Promise<unknown> {
    const { status, text, json } = await this.request(path, body);
    if (status !== 200) throw new Error(`${path} answered ${status}: ${text}`);
    return json;
  }

  /** Makes a key for some models; without a list, for all. This client must have the master key. */
  async generateKey(alias: string, models: readonly string[] = []): Promise<string> {
    const answer = await this.succeed("/key/generate", { key_alias: alias, models });
    return (answer as { key: string }).key;
  }

  chat(model: string, content: string): Promise<Answer> {
    return this.request("/v1/chat/completions", describeChat(model, content));
  }

  /** What the model said. */
  async converse(model: string, content: string): Promise<string | undefined> {
    const body = describeChat(model, content);
    const { choices } = (await this.succeed("/v1/chat/completions", body)) as {
      choices: { message: { content: string } }[];
    };
    return choices[0]?.message.content;
  }

  /** What the model said, piece by piece. */
  async streamChat(model: string, content: string): Promise<string[]> {
    const { status, text } = await this.request("/v1/chat/completions", {
      ...describeChat(model, content),
      stream: true,
    });
    if (status !== 200) throw new Error(`the stream of ${model} began with ${status}: ${text}`);
    const events = text.split("\n").filter((line) => line.startsWith("data: {"));
    if (!text.includes("data: [DONE]"))
      throw new Error(`the stream of ${model} broke off: ${text}`);
    return events
      .map((line) => JSON.parse(line.slice("data: ".length)) as StreamEvent)
      .map(({ choices }) => choices[0]?.delta.content ?? "")
      .filter((piece) => piece !== "");
  }
}

interface StreamEvent {
  readonly choices: readonly { readonly delta: { readonly content?: string | null } }[];
}

const describeChat = (model: string, content: string): object => ({
  model,
  messages: [{ role: "user", content }],
});

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
