/** Figures of the product beside the same figures of a baseline, measured in turn. */
export interface Comparison {
  /** What is measured, as the table says it. */
  readonly name: string;
  /** What the baseline is. */
  readonly baselineName: string;
  readonly unit: "s" | "ms" | "requests" | "requests/s";
  readonly gateway: readonly number[];
  readonly baseline: readonly number[];
  /** Bound of the ratio of gateway to baseline. */
  readonly goal: { readonly atMost: number } | { readonly atLeast: number };
}

export interface BenchmarkContext {
  /** How often gateway and baseline are measured, in turn. */
  readonly pairs: number;
  /** Aborted when the user interrupts; long waits end on it. */
  readonly signal: AbortSignal;
  /** A line that says what is going on. */
  readonly log: (line: string) => void;
}

export interface Benchmark {
  /** Number of pairs when the user names none. */
  readonly pairs: number;
  /** Starts what it measures, measures, and stops it whatever happens. */
  run(context: BenchmarkContext): Promise<Comparison[]>;
}

/** A gateway that a benchmark starts and stops. */
export interface BenchmarkedGateway {
  readonly endpoint: Endpoint;
  /** Rejects when it fails; a chat may be answered before it resolves. */
  launch(): Promise<void>;
  /** Stops all that `launch` started and deletes its files, also after a failure. */
  remove(): Promise<void>;
}

export interface Endpoint {
  /** Base URL of the proxy. */
  readonly url: string;
  readonly masterKey: string;
  /** Name that the proxy is asked for, where the URL has an address. */
  readonly host?: string;
  /** Whose certificates are trusted, PEM. */
  readonly certificateAuthority?: string;
  /** Further fields of each chat. */
  readonly chat?: object;
}

/** What one measurement gives, by name. */
type Figures = Readonly<Record<string, number>>;

/** One element for each pair. */
interface Measurements<Measurement> {
  readonly gateway: readonly Measurement[];
  readonly baseline: readonly Measurement[];
}

/** Measures gateway and baseline alternately, so that what else the machine does meets both. */
export async function measurePairs<Measurement extends Figures>(
  { pairs, signal, log }: BenchmarkContext,
  measureGateway: () => Promise<Measurement>,
  measureBaseline: () => Promise<Measurement>,
): Promise<Measurements<Measurement>> {
  const gateway: Measurement[] = [];
  const baseline: Measurement[] = [];
  for (let pair = 1; pair <= pairs; pair++) {
    for (const [figures, measure] of [
      [gateway, measureGateway],
      [baseline, measureBaseline],
    ] as const) {
      signal.throwIfAborted();
      const measured = await measure();
      figures.push(measured);
      const name = figures === gateway ? "gateway" : "baseline";
      const text = Object.entries(measured).map(([key, figure]) => `${key} ${figure.toFixed(2)}`);
      log(`${name} ${pair} of ${pairs}: ${text.join(", ")}`);
    }
  }
  return { gateway, baseline };
}

/** One of the figures, of every measurement. */
export function pick<Key extends string>(
  { gateway, baseline }: Measurements<Readonly<Record<Key, number>>>,
  key: Key,
): Measurements<number> {
  return {
    gateway: gateway.map((figures) => figures[key]),
    baseline: baseline.map((figures) => figures[key]),
  };
}

/** How long an action takes. */
export async function time(action: () => Promise<unknown>): Promise<{ seconds: number }> {
  const started = performance.now();
  await action();
  return { seconds: (performance.now() - started) / 1000 };
}
