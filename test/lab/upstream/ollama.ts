import {
  type Api,
  answerOf,
  countTokens,
  embed,
  MODELS,
  type RequestBody,
  type Reply,
} from "./api.ts";

/** https://github.com/ollama/ollama/blob/main/docs/api.md */
export const ollama: Api = {
  hasKeys: false,
  routes: {
    "GET /api/tags": () => ({
      document: { models: MODELS.map((name) => ({ name, model: name })) },
    }),
    "POST /api/show": () => ({
      document: { template: "", details: {}, model_info: {}, capabilities: ["completion"] },
    }),
    "POST /api/chat": (body) =>
      converse(body, (content) => ({ message: { role: "assistant", content } })),
    "POST /api/generate": (body) => converse(body, (response) => ({ response })),
    "POST /api/embed": (body) => ({
      document: {
        model: body.model,
        embeddings: embed(body.input),
        prompt_eval_count: countTokens([body.input ?? ""].flat().join(" ")),
      },
    }),
  },
  describeError: (_status, message) => ({ error: message }),
};

/** Ollama streams unless it is told not to: one JSON document a line. */
function converse(body: RequestBody, wrap: (text: string) => object): Reply {
  const { words, text, promptTokens, completionTokens } = answerOf(body);
  const common = { model: body.model, created_at: new Date().toISOString() };
  const end = {
    done: true,
    done_reason: "stop",
    prompt_eval_count: promptTokens,
    eval_count: completionTokens,
  };
  if (body.stream === false) {
    return { document: { ...common, ...wrap(text), ...end } };
  }
  const lines = [
    ...words.map((word) => ({ ...common, ...wrap(word), done: false })),
    { ...common, ...wrap(""), ...end },
  ];
  return {
    contentType: "application/x-ndjson",
    pieces: lines.map((line) => `${JSON.stringify(line)}\n`),
  };
}
