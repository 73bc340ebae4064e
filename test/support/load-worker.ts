/** The thread of `startLoad`: begins at once, ends with a report when it is told to. */
import { Agent, request } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";

import { BEGUN, type LoadFailure, type LoadOptions, type LoadReport } from "./load-client.ts";

const options = workerData as LoadOptions;
const {
  concurrency = 8,
  rate = Infinity,
  streams: streamCount = 3,
  streamWords = 300,
  stagger = 5,
  patience = 60,
} = options;
const { hostname, host } = new URL(options.url);
const agent = new Agent({ keepAlive: true, ca: options.certificateAuthority });
const began = performance.now();

const failed: LoadFailure[] = [];
const cutStreams: LoadFailure[] = [];
const latencies: number[] = [];
let requests = 0;
let streams = 0;
/** Undefined until there is one: connections have to be made first. */
let lastSuccess: number | undefined;
let longestGap = 0;
const stopping = new AbortController();

parentPort?.once("message", () => {
  // Streams may take long to end, with no chat beside them.
  noteGap();
  stopping.abort();
});
if (concurrency === 0) parentPort?.postMessage(BEGUN);
await Promise.all([
  ...Array.from({ length: concurrency }, chatOnAndOn),
  ...Array.from({ length: streamCount }, (_, index) => streamOnAndOn(index * stagger)),
]);
latencies.sort((a, b) => a - b);
const report: LoadReport = {
  requests,
  failed,
  streams,
  cutStreams,
  latencies: { p50Milliseconds: percentile(0.5), p99Milliseconds: percentile(0.99) },
  longestGapMilliseconds: Math.round(longestGap),
};
agent.destroy();
parentPort?.postMessage(report);

function percentile(share: number): number {
  return latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? NaN;
}

function noteGap(): void {
  const now = performance.now();
  longestGap = Math.max(longestGap, now - (lastSuccess ?? now));
}

async function chatOnAndOn(_: unknown, worker: number): Promise<void> {
  const periodMilliseconds = (concurrency / rate) * 1000;
  // One after the other, not all at once.
  await pause((worker / rate) * 1000);
  for (let round = 0; !stopping.signal.aborted; round += 1) {
    // Never the same twice: no cache shall answer.
    const content = `${began.toString(36)} ${worker} ${round}`;
    const start = performance.now();
    const problem = await ask(options.model, content, false);
    requests += 1;
    if (requests === concurrency) parentPort?.postMessage(BEGUN);
    if (problem === undefined) {
      latencies.push(performance.now() - start);
      noteGap();
      lastSuccess = performance.now();
    } else {
      failed.push(describe(start, problem));
      // A refusal is quick: it shall not be counted a thousand times.
      await sleep(20);
    }
    await pause(start + periodMilliseconds - performance.now());
  }
}

/** Until it is stopped at the longest. */
async function pause(milliseconds: number): Promise<void> {
  if (milliseconds <= 0) return;
  await sleep(milliseconds, undefined, { signal: stopping.signal }).catch(() => undefined);
}

async function streamOnAndOn(delaySeconds: number): Promise<void> {
  await pause(delaySeconds * 1000);
  while (!stopping.signal.aborted) {
    const words = Array.from({ length: streamWords }, (_, index) => `${streams}.${index}`);
    const start = performance.now();
    const problem = await ask(options.streamModel, words.join(" "), true);
    streams += 1;
    if (problem !== undefined) {
      cutStreams.push(describe(start, problem));
      await sleep(20);
    }
  }
}

function describe(start: number, problem: string): LoadFailure {
  const seconds = (time: number) => ((time - began) / 1000).toFixed(1);
  const now = performance.now();
  return { when: Number(seconds(now)), what: `${problem}, begun at ${seconds(start)} s` };
}

/** Returns what is wrong with the answer to a chat: undefined where it is the whole echo. */
async function ask(model: string, content: string, stream: boolean): Promise<string | undefined> {
  const body = JSON.stringify({ model, messages: [{ role: "user", content }], stream });
  const { status, text, broken } = await post(body);
  if (status !== 200) {
    return status === undefined
      ? (broken ?? "no answer")
      : `status ${status}: ${text.slice(0, 200)}`;
  }
  const isComplete = !stream || text.trimEnd().endsWith("data: [DONE]");
  const said = stream ? readStream(text) : readAnswer(text);
  if (broken === undefined && isComplete && said === `echo: ${content}`) {
    return undefined;
  }
  return `${broken ?? "no error"} after ${said?.split(" ").length ?? 0} words: ${text.slice(-200)}`;
}

interface Outcome {
  readonly status?: number | undefined;
  readonly text: string;
  /** Why there is not more. */
  readonly broken?: string;
}

function post(body: string): Promise<Outcome> {
  return new Promise((resolve) => {
    let status: number | undefined;
    let text = "";
    const breakOff = (error: NodeJS.ErrnoException) => {
      resolve({ status, text, broken: error.code ?? error.message });
    };
    const sent = request(
      {
        agent,
        host: options.connectAddress,
        port: options.port,
        servername: hostname,
        method: "POST",
        path: "/v1/chat/completions",
        headers: {
          host,
          authorization: `Bearer ${options.key}`,
          "content-type": "application/json",
          "content-length": Buffer.byteLength(body),
        },
        timeout: patience * 1000,
      },
      (response) => {
        status = response.statusCode;
        response
          .setEncoding("utf8")
          .on("data", (piece: string) => (text += piece))
          .once("error", breakOff)
          .once("end", () => {
            resolve({ status, text });
          });
      },
    );
    sent.once("error", breakOff);
    sent.once("timeout", () => {
      sent.destroy(new Error(`silent for ${patience} s`));
    });
    sent.end(body);
  });
}

interface Answer {
  readonly choices?: readonly {
    readonly message?: { readonly content?: string };
    readonly delta?: { readonly content?: string | null };
  }[];
}

function readAnswer(text: string): string | undefined {
  return parse(text)?.choices?.[0]?.message?.content;
}

function readStream(text: string): string {
  return text
    .split("\n")
    .filter((line) => line.startsWith("data: {"))
    .map((line) => parse(line.slice("data: ".length))?.choices?.[0]?.delta?.content ?? "")
    .join("");
}

function parse(text: string): Answer | undefined {
  try {
    return JSON.parse(text) as Answer;
  } catch {
    return undefined; // cut in the middle
  }
}
