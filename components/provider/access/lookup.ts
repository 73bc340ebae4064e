import { unlessAborted } from "../unless-aborted.ts";

/** How long what was listed is taken for what is there. */
const FRESH_MILLISECONDS = 5000;
/** So many are asked for one by one before all are listed. */
const SINGLE_LOOKUPS = 2;

export interface LookupSource<Thing> {
  find(id: string, signal: AbortSignal): Promise<Thing | undefined>;
  /** All by their id; undefined where there are too many to list them for a few. */
  list(signal: AbortSignal): Promise<ReadonlyMap<string, Thing> | undefined>;
}

interface Listing<Thing> {
  readonly things: Promise<ReadonlyMap<string, Thing> | undefined>;
  /** Of whoever made it. */
  readonly signal: AbortSignal;
  /** Infinity while it is under way. */
  freshUntil: number;
}

/**
 * Finds things of a gateway by their id. Pulumi asks for one after the other: who asks for several within
 * seconds is answered from one list of all. That something is not there is never concluded from a list:
 * it has pages, between which things move when others are deleted.
 */
export class Lookup<Thing> {
  readonly #source: LookupSource<Thing>;
  #recent: number[] = [];
  #listing: Listing<Thing> | undefined;
  /** For good: no list can tell whether it was made before or after a change that is under way. */
  readonly #changed = new Set<string>();
  /** Made or seen here, and neither changed nor deleted since. */
  readonly #present = new Set<string>();
  #isTooLong = false;
  /** How often something was touched here. */
  #changes = 0;

  constructor(source: LookupSource<Thing>) {
    this.#source = source;
  }

  /** As it is, or was some seconds ago, unless we have changed it ourselves; undefined when it is gone. */
  async find(id: string, signal: AbortSignal): Promise<Thing | undefined> {
    return (await this.#findListed(id, signal)) ?? this.#source.find(id, signal);
  }

  /** What is there now, whatever was listed. */
  findNow(id: string, signal: AbortSignal): Promise<Thing | undefined> {
    return this.#source.find(id, signal);
  }

  /** Whether it is there; what this process has made or seen is, until it is touched here. */
  async has(id: string, signal: AbortSignal): Promise<boolean> {
    if (this.#present.has(id)) return true;
    const changes = this.#changes;
    const isThere = (await this.find(id, signal)) !== undefined;
    if (isThere && changes === this.#changes) this.#present.add(id);
    return isThere;
  }

  /** To be called when this thing is made, changed or deleted here: from then on it is asked for itself. */
  forget(id: string): void {
    this.#changes++;
    this.#changed.add(id);
    this.#present.delete(id);
  }

  /** To be called after {@link forget} where it is certain that it is there. */
  confirm(id: string): void {
    this.#present.add(id);
  }

  async #findListed(id: string, signal: AbortSignal): Promise<Thing | undefined> {
    if (this.#isTooLong || this.#changed.has(id)) return undefined;
    const listing = this.#provideListing(signal);
    if (listing === undefined) return undefined;
    try {
      const things = await unlessAborted(listing.things, signal);
      this.#isTooLong ||= things === undefined;
      return this.#changed.has(id) ? undefined : things?.get(id);
    } catch (error) {
      // Whoever made it was cancelled, and we are not.
      if (listing.signal.aborted && !signal.aborted) return undefined;
      throw error;
    }
  }

  /** A list that is fresh, or is to be; undefined while few have asked. */
  #provideListing(signal: AbortSignal): Listing<Thing> | undefined {
    const now = Date.now();
    if (this.#listing !== undefined && now < this.#listing.freshUntil) return this.#listing;
    this.#recent = [...this.#recent.filter((at) => now - at < FRESH_MILLISECONDS), now];
    if (this.#recent.length <= SINGLE_LOOKUPS) return undefined;
    const listing: Listing<Thing> = {
      things: this.#source.list(signal),
      signal,
      freshUntil: Infinity,
    };
    this.#listing = listing;
    listing.things.then(
      () => (listing.freshUntil = Date.now() + FRESH_MILLISECONDS),
      () => (listing.freshUntil = 0),
    );
    return listing;
  }
}
