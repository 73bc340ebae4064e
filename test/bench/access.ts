import { type LitellmServer, startLitellm } from "../support/litellm-server.ts";
import type { AccessSize } from "./access-by-hand.ts";
import { type Life, measureByHand, measureUp, PHASES } from "./access-life.ts";
import {
  type Benchmark,
  type BenchmarkContext,
  type Comparison,
  measurePairs,
  pick,
} from "./benchmark.ts";
import { startCountingProxy } from "./counting-proxy.ts";

const NOTHING: AccessSize = { teams: 0, keys: 0 };
/** Of the time, less that of a program without keys, by the number of keys. */
const GREATEST_EXPONENT = 1.1;

interface AccessSizes {
  readonly few: AccessSize;
  readonly many: AccessSize;
  /** Of ten keys, so many get another budget. */
  readonly changedOfTen: number;
}

/** Keys in teams from the first `up` until `destroy`, beside a script with one request after the other. */
export const access: Benchmark = {
  pairs: 2,
  async run(context) {
    const server = await startLitellm();
    try {
      return await measureAccess(context, server, {
        few: { teams: 2, keys: 50 },
        many: { teams: 20, keys: 500 },
        changedOfTen: 1,
      });
    } finally {
      await server.remove();
    }
  },
};

/** The same in a gateway that runs, and with as many keys as are wanted. */
async function measureAccess(
  context: BenchmarkContext,
  server: LitellmServer,
  { few, many, changedOfTen }: AccessSizes,
): Promise<Comparison[]> {
  const proxy = await startCountingProxy(server.url);
  const describe = (size: AccessSize) => {
    return { server, proxy, size, changed: Math.ceil((size.keys * changedOfTen) / 10) };
  };
  const [empty, less]: [Life[], Life[]] = [[], []];
  try {
    // The first fills the caches of compiled modules.
    await measureUp(describe(NOTHING));
    const lives = await measurePairs(
      context,
      async () => {
        empty.push(await measureUp(describe(NOTHING)));
        less.push(await measureUp(describe(few)));
        return measureUp(describe(many));
      },
      () => measureByHand(describe(many)),
    );
    return [
      ...compareLives(many, lives),
      compareGrowth(context, { few, many }, { empty, less, more: lives.gateway }),
    ];
  } finally {
    await proxy.close();
  }
}

function compareLives(
  { keys, teams }: AccessSize,
  lives: { readonly gateway: readonly Life[]; readonly baseline: readonly Life[] },
): Comparison[] {
  const name = `${keys} keys in ${teams} teams`;
  const baselineName = "one request after the other";
  return [
    {
      name: `${name}: created, refreshed, a tenth changed, destroyed`,
      baselineName,
      unit: "s",
      ...pick(lives, "total"),
      goal: { atMost: 0.33 },
    },
    ...PHASES.map((phase): Comparison => ({
      name: `${name}: ${phase}`,
      baselineName,
      unit: "s",
      ...pick(lives, phase),
      goal: { atMost: 1 },
    })),
    {
      name: `${name}: requests`,
      baselineName,
      unit: "requests",
      ...pick(lives, "requests"),
      goal: { atMost: 1 },
    },
  ];
}

/** What each program takes beyond one without keys. */
function compareGrowth(
  { log }: BenchmarkContext,
  { few, many }: Pick<AccessSizes, "few" | "many">,
  lives: Readonly<Record<"empty" | "less" | "more", readonly Life[]>>,
): Comparison {
  const beyondEmpty = (figures: readonly Life[]): number[] =>
    figures.map(({ total }, index) => total - (lives.empty[index]?.total ?? 0));
  const [gateway, baseline] = [beyondEmpty(lives.more), beyondEmpty(lives.less)];
  const growth = many.keys / few.keys;
  for (const [index, { total }] of lives.empty.entries()) {
    const ratio = (gateway[index] ?? 0) / (baseline[index] ?? 0);
    log(
      `no keys: ${total.toFixed(2)} s; ${few.keys} keys: ${lives.less[index]?.total.toFixed(2) ?? ""} s; ` +
        `exponent from there to ${many.keys}: ${(Math.log(ratio) / Math.log(growth)).toFixed(2)}`,
    );
  }
  return {
    name: `${many.keys} keys, beyond what none take (exponent ≤ ${GREATEST_EXPONENT})`,
    baselineName: `${few.keys} keys`,
    unit: "s",
    gateway,
    baseline,
    goal: { atMost: Math.round(growth ** GREATEST_EXPONENT * 100) / 100 },
  };
}
