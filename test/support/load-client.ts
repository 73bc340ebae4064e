import { Worker } from "node:worker_threads";

/** Where the load goes, and how much of it there is. */
export interface LoadOptions {
  /** `https://…` of the gateway: its host is what TLS and the Host header ask for. */
  readonly url: string;
  /** IP address that is connected to, whatever DNS says about the host. */
  readonly connectAddress: string;
  readonly port: number;
  /** Whose certificates are trusted, as PEM. */
  readonly certificateAuthority: string;
  readonly key: string;
  /** Answers chats at once, with the upstream double's echo. */
  readonly model: string;
  /** Streams the echo slowly, such as `openai/gpt-pause-50` of the upstream double. */
  readonly streamModel: string;
  /** How many clients chat. Default: 8. */
  readonly concurrency?: number;
  /**
   * How many chats a second they begin together at the most, so that the machine has something left for
   * the change. Default: each begins its next one as soon as it is answered.
   */
  readonly rate?: number;
  /** How many streams are. Default: 3. */
  readonly streams?: number;
  /** How many words a stream has: with pauses of 50 ms, 300 take 15 s. Default: 300. */
  readonly streamWords?: number;
  /** Seconds between the starts of the first streams, so that they do not all end together. Default: 5. */
  readonly stagger?: number;
  /** Seconds after which silence is a failure. Default: 60. */
  readonly patience?: number;
}

/** What went wrong. */
export interface LoadFailure {
  /** Seconds since the load began. */
  readonly when: number;
  readonly what: string;
}

export interface LoadReport {
  /** Chats that have ended, one way or the other. */
  readonly requests: number;
  /** Those whose answer was not the echo, with status 200. */
  readonly failed: readonly LoadFailure[];
  /** Streams that have ended, one way or the other. */
  readonly streams: number;
  /** Those that were not complete: all the words, and `[DONE]`. */
  readonly cutStreams: readonly LoadFailure[];
  /** Of chats that succeeded; NaN where none did. */
  readonly latencies: { readonly p50Milliseconds: number; readonly p99Milliseconds: number };
  /** The longest time in which no chat was answered well, since the first one was. */
  readonly longestGapMilliseconds: number;
}

/** What the thread says when as many chats have ended as there are clients. */
export const BEGUN = "begun";

export interface Load {
  /** The load is what it is to be: a thread takes a while to start. */
  readonly begun: Promise<void>;
  /** Lets what is under way come to its end, which is as long as a stream, and reports. */
  stop(): Promise<LoadReport>;
}

/**
 * Sends chats and long streams over HTTPS until it is stopped. It runs in a thread of its own: what the
 * test does meanwhile neither delays nor distorts it.
 */
export function startLoad(options: LoadOptions): Load {
  const worker = new Worker(new URL("load-worker.ts", import.meta.url), { workerData: options });
  const begun = Promise.withResolvers<undefined>();
  const report = new Promise<LoadReport>((succeed, fail) => {
    worker.on("message", (message: typeof BEGUN | LoadReport) => {
      if (message === BEGUN) begun.resolve(undefined);
      else succeed(message);
    });
    worker.once("error", (error: Error) => {
      begun.reject(error);
      fail(error);
    });
  });
  // Whoever waits for it, or stops it, hears of it.
  begun.promise.catch(() => undefined);
  report.catch(() => undefined);
  return {
    begun: begun.promise,
    stop() {
      worker.postMessage("stop");
      return report;
    },
  };
}
