/** What the APIs that the upstream double speaks have in common. */

/** A request's body, as far as any of the APIs is read. */
export interface RequestBody {
  readonly model?: string;
  readonly messages?: readonly {
    readonly content: string | readonly { readonly text?: string }[];
  }[];
  readonly prompt?: string;
  readonly input?: string | readonly string[];
  readonly stream?: boolean;
  readonly stream_options?: { readonly include_usage?: boolean };
  readonly encoding_format?: string;
}

/** An answer: one document, or several pieces of text that are sent one after the other. */
export type Reply =
  | { readonly document: object }
  | { readonly contentType: string; readonly pieces: readonly string[] };

export interface Api {
  /** Ollama has no keys. */
  readonly hasKeys: boolean;
  /** Answers by method and path. */
  readonly routes: Readonly<Record<string, (body: RequestBody) => Reply>>;
  /** Body of an answer with an error status. */
  describeError(status: number, message: string): object;
}

/** Models that the listings name; requests may name any. */
export const MODELS = ["upstream-chat", "upstream-embedding"];

/** What is said: the last message, or the prompt, after `echo: `; by words, each with the blank before it. */
export function answerOf(body: RequestBody): {
  readonly words: readonly string[];
  readonly text: string;
  readonly promptTokens: number;
  readonly completionTokens: number;
} {
  const messages = (body.messages ?? []).map(({ content }) =>
    typeof content === "string" ? content : content.map(({ text = "" }) => text).join(""),
  );
  const text = `echo: ${body.prompt ?? messages.at(-1) ?? ""}`;
  const words = text.match(/\s*\S+/g) ?? [];
  return {
    words,
    text,
    promptTokens: countTokens([...messages, body.prompt ?? ""].join(" ")),
    completionTokens: words.length,
  };
}

/** A token is a word here, so that tests can tell how many to expect. */
export function countTokens(text: string): number {
  return text.split(/\s+/).filter((word) => word !== "").length;
}

/** One vector a text, the same whenever the text is the same. */
export function embed(texts: string | readonly string[] = ""): number[][] {
  return [texts].flat().map((text) => {
    const sum = Buffer.from(text).reduce((total, byte) => total + byte, 1);
    // Rounded to what a 32-bit number holds: it travels as one, too.
    return Array.from({ length: 8 }, (_, dimension) =>
      Math.fround(Math.sin(sum * (dimension + 1))),
    );
  });
}
