import { Agent, request } from "node:http";

export interface RetryingLoadOptions {
  /** `http://…` of the gateway. */
  readonly url: string;
  readonly key: string;
  readonly model: string;
  readonly streamModel: string;
  readonly clients: number;
  readonly streamClients: number;
  /** Between two requests of a client. */
  readonly pauseMilliseconds: number;
}

export interface RetryingLoadReport {
  readonly requests: number;
  readonly streams: number;
  /** Met a closed connection, and succeeded when sent once more. */
  readonly retried: number;
  /** One line for each that failed for good. */
  readonly failures: readonly string[];
  readonly longestMilliseconds: number;
}

const PATIENCE_MILLISECONDS = 60_000;

/**
 * Chats and streams over kept-alive connections, by clients that send once more what met a closed
 * connection, as OpenAI's own do. Stop it for the report.
 */
export function startRetryingLoad(options: RetryingLoadOptions): {
  stop(): Promise<RetryingLoadReport>;
} {
  const agent = new Agent({ keepAlive: true });
  const failures: string[] = [];
  let [requests, streams, retried, longest, isOver] = [0, 0, 0, 0, false];

  const send = (body: object) =>
    new Promise<string>((succeed, fail) => {
      const sent = request(
        `${options.url}/v1/chat/completions`,
        {
          agent,
          method: "POST",
          timeout: PATIENCE_MILLISECONDS,
          headers: {
            authorization: `Bearer ${options.key}`,
            "content-type": "application/json",
          },
        },
        (response) => {
          let text = "";
          response.setEncoding("utf8");
          response.on("data", (chunk: string) => (text += chunk));
          response.on("error", fail);
          response.on("end", () => {
            if (response.statusCode === 200) succeed(text);
            else fail(new Error(`status ${response.statusCode ?? 0} ${text.slice(0, 200)}`));
          });
        },
      );
      sent.on("timeout", () => sent.destroy(new Error("no answer in time")));
      sent.on("error", fail);
      sent.end(JSON.stringify(body));
    });
  const sendTwice = async (body: object): Promise<string> => {
    try {
      return await send(body);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "ECONNRESET" && code !== "EPIPE") throw error;
      retried += 1;
      return send(body);
    }
  };
  const ask = async (): Promise<void> => {
    while (!isOver) {
      const startedAt = performance.now();
      try {
        const messages = [{ role: "user", content: "Hi" }];
        await sendTwice({ model: options.model, messages });
        longest = Math.max(longest, performance.now() - startedAt);
      } catch (error) {
        failures.push(`chat: ${(error as Error).message}`);
      }
      requests += 1;
      await new Promise((resolve) => setTimeout(resolve, options.pauseMilliseconds));
    }
  };
  const listen = async (): Promise<void> => {
    while (!isOver) {
      try {
        const words = Array.from({ length: 100 }, (_, index) => `word${index}`).join(" ");
        const text = await sendTwice({
          model: options.streamModel,
          stream: true,
          messages: [{ role: "user", content: words }],
        });
        if (!text.includes("[DONE]")) failures.push(`stream: cut after ${text.length} characters`);
      } catch (error) {
        failures.push(`stream: ${(error as Error).message}`);
      }
      streams += 1;
      await new Promise((resolve) => setTimeout(resolve, options.pauseMilliseconds));
    }
  };
  const running = Promise.all([
    ...Array.from({ length: options.clients }, ask),
    ...Array.from({ length: options.streamClients }, listen),
  ]);
  return {
    async stop() {
      isOver = true;
      await running;
      agent.destroy();
      return { requests, streams, retried, failures, longestMilliseconds: longest };
    },
  };
}
