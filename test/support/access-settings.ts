import fc from "fast-check";

/** `access` of a stack file, as a user writes it. */
export type RawAccess = Readonly<Record<string, unknown>>;

interface AccessOptions {
  /** Names of models that the gateway offers. Default: `hello`. */
  readonly models?: readonly string[];
  /** What all names begin with, and so all ids and aliases. Default: nothing. */
  readonly prefix?: string;
}

/** Leaves a field out more often than not. */
function maybe<Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> {
  return fc.option(value, { nil: undefined, freq: 1 });
}

/** LiteLLM keeps money as floating point: what a person would write. */
const dollars = fc.integer({ min: 0, max: 100_000 }).map((cents) => cents / 100);
const limit = fc.integer({ min: 0, max: 10_000 });
const duration = fc.constantFrom("30s", "15m", "24h", "7d", "2w", "1mo");
const metadata = fc.dictionary(
  fc.constantFrom("purpose", "costCentre", "owner", "nested"),
  fc.oneof(
    fc.constantFrom("ci", "4711", "Zoë ☃", 'a "quoted" text', ""),
    fc.integer({ min: -1000, max: 1000 }),
    fc.boolean(),
    fc.array(fc.constantFrom("a", "b"), { maxLength: 2 }),
    fc.constant({ deep: { er: 1 } }),
  ),
  { maxKeys: 3 },
);

const limits = { rpmLimit: maybe(limit), tpmLimit: maybe(limit) };
const budget = { maxBudget: maybe(dollars), budgetDuration: maybe(duration) };

/**
 * Valid trees of `access`: up to 2 budgets, 4 users, 3 teams with members and 6 keys, as a raw value of the
 * setting. Names come from small sets, so that two trees have much in common.
 */
export function accessSettings({
  models = ["hello"],
  prefix = "",
}: AccessOptions = {}): fc.Arbitrary<RawAccess> {
  const named = (...names: string[]) => names.map((name) => `${prefix}${name}`);
  const userNames = named("ana", "ben", "cleo", "dan@example.com");
  const teamNames = named("search", "sales", "it_ops");
  const keyNames = named("ci", "cron", "notebook", "app.web", "batch-1", "demo");
  const budgetNames = named("trial", "standard");
  const someModels = fc.subarray([...models]);
  const perModel = maybe(fc.dictionary(fc.constantFrom(...models), limit, { maxKeys: 2 }));

  return fc
    .record({
      users: fc.subarray(userNames),
      teams: fc.subarray(teamNames),
      keys: fc.subarray(keyNames),
      budgets: fc.subarray(budgetNames),
    })
    .chain((names) => {
      const member = fc.record({ ...budget, ...limits });
      const team = fc.record({
        alias: maybe(fc.constantFrom("Search", "The sales team")),
        // All, or all there are: so that no key asks for more than its team may.
        models: fc.constantFrom([], [...models]),
        ...budget,
        ...limits,
        modelRpmLimit: perModel,
        members: pickEntries(names.users, member),
        blocked: maybe(fc.boolean()),
        metadata,
      });
      const user = fc.record({
        alias: maybe(fc.constantFrom("Ana", "Benedikt the Second")),
        role: maybe(fc.constantFrom("internal_user", "internal_user_viewer", "proxy_admin_viewer")),
        models: someModels,
        ...budget,
        ...limits,
        metadata,
      });
      const key = fc.record({
        team: pick(names.teams),
        user: pick(names.users),
        budget: pick(names.budgets),
        models: someModels,
        ...budget,
        ...limits,
        maxParallelRequests: maybe(limit),
        modelTpmLimit: perModel,
        expires: maybe(fc.constantFrom("2099-01-01T00:00:00Z", "2098-06-30T12:00:00+02:00")),
        blocked: maybe(fc.boolean()),
        metadata,
        generation: maybe(fc.integer({ min: 1, max: 3 })),
      });
      return fc.record({
        budgets: entriesOf(
          names.budgets,
          fc.record({ ...budget, ...limits, maxParallelRequests: maybe(limit) }),
        ),
        users: entriesOf(names.users, user),
        teams: entriesOf(names.teams, team),
        keys: entriesOf(names.keys, key),
      });
    })
    .map((access) => leaveOut(access));
}

/** One of the names, or none. */
function pick(names: readonly string[]): fc.Arbitrary<string | undefined> {
  return names.length === 0 ? fc.constant(undefined) : maybe(fc.constantFrom(...names));
}

function entriesOf<Value>(
  names: readonly string[],
  value: fc.Arbitrary<Value>,
): fc.Arbitrary<Record<string, Value>> {
  return fc.record(Object.fromEntries(names.map((name) => [name, value])));
}

function pickEntries<Value>(
  names: readonly string[],
  value: fc.Arbitrary<Value>,
): fc.Arbitrary<Record<string, Value>> {
  return fc.subarray([...names]).chain((some) => entriesOf(some, value));
}

/** Fields without a value are not there. */
function leaveOut(value: object): RawAccess {
  return JSON.parse(JSON.stringify(value)) as RawAccess;
}
