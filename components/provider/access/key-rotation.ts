import { formatInstant, writeDuration } from "./key-fields.ts";
import type { Gateway, LiveKey } from "./gateway.ts";

/** A value that a newer one has replaced, and that works beside it for a while. */
export interface PreviousKey {
  /** SHA-256 of the value. */
  readonly tokenId: string;
  readonly alias: string;
  /** When LiteLLM refuses it, whether or not anybody runs anything. */
  readonly until: string;
}

/** The alias of an old value: when it ends, and the beginning of its hash. */
export const RETIRED = /-until-\d{8}T\d{6}Z-[0-9a-f]{8}$/;
/** LiteLLM's limit, where it is told to check aliases. */
const ALIAS_LENGTH = 255;

/**
 * Frees the alias of a key for the one that follows, and has LiteLLM itself end the key.
 * Done again after an interruption, it leaves the end where it was.
 */
export async function retireKey(
  { api, keys }: Gateway,
  live: LiveKey,
  {
    overlapMilliseconds,
    now,
    signal,
  }: {
    readonly overlapMilliseconds: number;
    readonly now: number;
    readonly signal: AbortSignal;
  },
): Promise<PreviousKey> {
  const { token: tokenId, key_alias: alias } = live;
  const expires = typeof live["expires"] === "string" ? formatInstant(live["expires"]) : undefined;
  if (alias !== null && expires !== undefined && RETIRED.test(alias)) {
    return { tokenId, alias, until: expires };
  }
  const isEndingAnyway = expires !== undefined && Date.parse(expires) <= now + overlapMilliseconds;
  const until = isEndingAnyway ? expires : new Date(now + overlapMilliseconds).toISOString();
  const retired = nameRetired(live, until);
  const body = {
    key: tokenId,
    key_alias: retired,
    ...(!isEndingAnyway && { duration: writeDuration(overlapMilliseconds) }),
  };
  keys.forget(tokenId);
  const answer = (await api.call({ path: "/key/update", body, signal })) as { expires: string };
  // By LiteLLM's clock.
  return { tokenId, alias: retired, until: formatInstant(answer.expires) };
}

/** In characters that LiteLLM takes where it checks aliases; two old values may end at the same time. */
function nameRetired({ token, key_alias: alias }: LiveKey, until: string): string {
  const end = until.replace(/\.\d+/, "").replace(/[-:]/g, "");
  const suffix = `-until-${end}-${token.slice(0, 8)}`;
  return `${(alias ?? "key").slice(0, ALIAS_LENGTH - suffix.length)}${suffix}`;
}

/**
 * What a new value starts with in the budget's present period: a rotation is no way to a fresh budget.
 * Owners spend for themselves, and notice nothing.
 */
export function readCarriedSpend(live: LiveKey, now: number): number {
  const { spend, budget_reset_at: reset } = live;
  const isOver = typeof reset === "string" && Date.parse(reset) <= now;
  return isOver || typeof spend !== "number" ? 0 : spend;
}
