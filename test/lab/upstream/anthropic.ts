import { type Api, answerOf, type RequestBody, type Reply } from "./api.ts";

/** https://docs.anthropic.com/en/api/messages */
export const anthropic: Api = {
  hasKeys: true,
  routes: { "POST /v1/messages": messages },
  describeError: (status, message) => ({
    type: "error",
    error: { type: status === 401 ? "authentication_error" : "api_error", message },
  }),
};

function messages(body: RequestBody): Reply {
  const { words, text, promptTokens, completionTokens } = answerOf(body);
  const message = {
    id: "msg_upstream",
    type: "message",
    role: "assistant",
    model: body.model,
    stop_sequence: null,
  };
  if (body.stream !== true) {
    return {
      document: {
        ...message,
        content: [{ type: "text", text }],
        stop_reason: "end_turn",
        usage: { input_tokens: promptTokens, output_tokens: completionTokens },
      },
    };
  }
  const start = {
    ...message,
    content: [],
    stop_reason: null,
    usage: { input_tokens: promptTokens, output_tokens: 1 },
  };
  return {
    contentType: "text/event-stream",
    pieces: [
      { type: "message_start", message: start },
      { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
      ...words.map((word) => ({
        type: "content_block_delta",
        index: 0,
        delta: { type: "text_delta", text: word },
      })),
      { type: "content_block_stop", index: 0 },
      {
        type: "message_delta",
        delta: { stop_reason: "end_turn", stop_sequence: null },
        usage: { output_tokens: completionTokens },
      },
      { type: "message_stop" },
    ].map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`),
  };
}
