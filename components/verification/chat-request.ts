import { randomBytes } from "node:crypto";

/** A question that was never asked before: a cache must not answer it. */
export function chatBody(model: string): object {
  return {
    model,
    messages: [{ role: "user", content: `Say hello. (${randomBytes(8).toString("hex")})` }],
    max_tokens: 16,
  };
}
