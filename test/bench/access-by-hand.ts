import { ProxyClient } from "../../components/proxy-client.ts";
import type { Endpoint } from "./benchmark.ts";

/** So many keys in so many teams. */
export interface AccessSize {
  readonly teams: number;
  readonly keys: number;
}

interface LiveKey {
  readonly key: string;
  readonly info: { readonly max_budget: number | null };
}

/**
 * A script that does with LiteLLM's admin API what `up` does, one request after the other over one
 * connection: it looks before it makes, and reads back what it has made or changed.
 */
export class AccessByHand {
  readonly #client: ProxyClient;
  readonly #masterKey: string;
  readonly #prefix: string;
  readonly #size: AccessSize;
  /** Of the keys that were made. */
  readonly #hashes: string[] = [];

  constructor({ url, masterKey }: Endpoint, prefix: string, size: AccessSize) {
    this.#client = new ProxyClient({ url }, { keepsAlive: true });
    this.#masterKey = masterKey;
    this.#prefix = prefix;
    this.#size = size;
  }

  async create(): Promise<void> {
    for (const team of this.#listTeams()) {
      if (await this.#hasTeam(team)) throw new Error(`team ${team} exists already`);
      await this.#succeed("/team/new", { team_id: team, team_alias: team, max_budget: 1000 });
      await this.#succeed(`/team/info?team_id=${team}`);
    }
    for (let index = 0; index < this.#size.keys; index++) {
      const alias = `${this.#prefix}-key-${index}`;
      const found = (await this.#succeed(`/key/list?key_alias=${alias}`)) as { keys: unknown[] };
      if (found.keys.length > 0) throw new Error(`key ${alias} exists already`);
      const { token } = (await this.#succeed("/key/generate", {
        key_alias: alias,
        team_id: `${this.#prefix}-team-${index % this.#size.teams}`,
        max_budget: 10,
        budget_duration: "30d",
        rpm_limit: 100,
        metadata: { index },
      })) as { token: string };
      await this.#readKey(token);
      this.#hashes.push(token);
    }
  }

  /** Reads all of it. */
  async refresh(): Promise<void> {
    for (const team of this.#listTeams()) await this.#succeed(`/team/info?team_id=${team}`);
    for (const hash of this.#hashes) await this.#readKey(hash);
  }

  /** Gives the first keys another budget: looks at all of them, and changes those that differ. */
  async change(changed: number): Promise<void> {
    for (const team of this.#listTeams()) await this.#succeed(`/team/info?team_id=${team}`);
    for (const [index, hash] of this.#hashes.entries()) {
      const maxBudget = index < changed ? 20 : 10;
      if ((await this.#readKey(hash)).info.max_budget === maxBudget) continue;
      await this.#succeed("/key/update", { key: hash, max_budget: maxBudget });
      await this.#readKey(hash);
    }
  }

  async destroy(): Promise<void> {
    for (const hash of this.#hashes.splice(0)) await this.#succeed("/key/delete", { keys: [hash] });
    for (const team of this.#listTeams()) await this.#succeed("/team/delete", { team_ids: [team] });
  }

  #listTeams(): string[] {
    return Array.from({ length: this.#size.teams }, (_, index) => `${this.#prefix}-team-${index}`);
  }

  async #hasTeam(team: string): Promise<boolean> {
    const path = `/team/info?team_id=${team}`;
    return (await this.#client.request(path, { key: this.#masterKey })).status === 200;
  }

  async #readKey(hash: string): Promise<LiveKey> {
    return (await this.#succeed(`/key/info?key=${hash}`)) as LiveKey;
  }

  async #succeed(path: string, body?: object): Promise<unknown> {
    const answer = await this.#client.request(path, { key: this.#masterKey, body });
    if (answer.status !== 200) {
      throw new Error(`${path} answered ${answer.status}: ${answer.text}`);
    }
    return answer.json;
  }
}
