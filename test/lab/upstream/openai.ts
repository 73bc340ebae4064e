import {
  type Api,
  answerOf,
  countTokens,
  embed,
  MODELS,
  type RequestBody,
  type Reply,
} from "./api.ts";

/** https://platform.openai.com/docs/api-reference */
export const openai: Api = {
  hasKeys: true,
  routes: {
    "GET /v1/models": () => ({
      document: {
        object: "list",
        data: MODELS.map((id) => ({ id, object: "model", created: 0, owned_by: "upstream" })),
      },
    }),
    "POST /v1/chat/completions": chat,
    "POST /v1/embeddings": embeddings,
  },
  describeError: (status, message) => ({
    error: { message, type: "upstream_error", param: null, code: String(status) },
  }),
};

function chat(body: RequestBody): Reply {
  const { words, text, promptTokens, completionTokens } = answerOf(body);
  const common = { id: "chatcmpl-upstream", created: now(), model: body.model };
  const usage = {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
  if (body.stream !== true) {
    const message = { role: "assistant", content: text };
    const choices = [{ index: 0, message, finish_reason: "stop" }];
    return { document: { ...common, object: "chat.completion", choices, usage } };
  }
  const chunk = (rest: object) => toEvent({ ...common, object: "chat.completion.chunk", ...rest });
  const choice = (delta: object, reason: string | null = null) =>
    chunk({ choices: [{ index: 0, delta, finish_reason: reason }] });
  return {
    contentType: "text/event-stream",
    pieces: [
      choice({ role: "assistant", content: "" }),
      ...words.map((content) => choice({ content })),
      choice({}, "stop"),
      ...(body.stream_options?.include_usage === true ? [chunk({ choices: [], usage })] : []),
      "data: [DONE]\n\n",
    ],
  };
}

function embeddings(body: RequestBody): Reply {
  const tokens = countTokens([body.input ?? ""].flat().join(" "));
  return {
    document: {
      object: "list",
      model: body.model,
      data: embed(body.input).map((vector, index) => ({
        object: "embedding",
        index,
        embedding:
          body.encoding_format === "base64"
            ? Buffer.from(Float32Array.from(vector).buffer).toString("base64")
            : vector,
      })),
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    },
  };
}

function toEvent(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}
