import { randomUUID } from "node:crypto";

import {
  type VirtualKeyInputs,
  type VirtualKeyOutputs,
  virtualKey,
} from "../../../components/provider/access/virtual-key.ts";
import type { LiveKey } from "../../../components/provider/access/gateway.ts";
import type { Properties, ResourceDefinition } from "../../../components/provider/resource.ts";
import { planChanges } from "../../../components/provider/server/diff.ts";
import { formatPath } from "../../../components/provider/server/property-path.ts";
import type { LitellmServer } from "../../support/litellm-server.ts";
import { operationContext } from "../../support/operation-context.ts";
import { sendAdmin } from "./requests.ts";

interface State {
  readonly id: string;
  readonly inputs: VirtualKeyInputs;
  readonly outputs: VirtualKeyInputs & VirtualKeyOutputs;
}

/** What one stack does with one key: as Pulumi would, state and all. */
export class KeyStack {
  readonly messages: string[] = [];
  readonly concealed: string[] = [];
  state: State | undefined;
  readonly #server: LitellmServer;
  readonly #name: string;
  readonly #definition: typeof virtualKey;

  /** @param options - `name`: of the stack */
  constructor(
    server: LitellmServer,
    {
      name = randomUUID(),
      definition = virtualKey,
    }: { name?: string; definition?: typeof virtualKey } = {},
  ) {
    this.#server = server;
    this.#name = name;
    this.#definition = definition;
  }

  /** What `up` would change, or why it would not. */
  async preview(wanted: object): Promise<string[]> {
    if (this.state === undefined) return ["created"];
    const inputs = this.#parse(wanted);
    const { id, inputs: recorded, outputs } = this.state;
    const observed = await this.#definition.read(this.#open(), id, { inputs: recorded, outputs });
    const changes = planChanges(
      this.#definition as unknown as ResourceDefinition,
      {
        recorded: { inputs: clean(recorded), outputs: { ...outputs } },
        observed: observed && { inputs: clean(observed.inputs), outputs: { ...observed.outputs } },
        inputs: clean(inputs),
      },
      [],
    );
    return [...new Set(changes.map(({ path }) => formatPath(path)))].toSorted();
  }

  /** @returns the outputs */
  async up(wanted: object): Promise<VirtualKeyOutputs> {
    const inputs = this.#parse(wanted);
    if (this.state === undefined) {
      const { id, outputs } = await this.#definition.create(this.#open(), inputs);
      this.state = { id, inputs, outputs: { ...inputs, ...outputs } };
    } else if ((await this.preview(wanted)).length > 0) {
      const { id, inputs: previousInputs, outputs } = this.state;
      const updated = await this.#definition.update(this.#open(), id, {
        inputs,
        previousInputs,
        outputs,
      });
      this.state = { id, inputs, outputs: { ...inputs, ...updated } };
    }
    return this.state.outputs;
  }

  /** Takes over what is there under this hash or alias. */
  async import(id: string): Promise<VirtualKeyInputs | undefined> {
    const found = await this.#definition.read(this.#open(), id, { inputs: {}, outputs: {} });
    this.state = found && {
      id,
      inputs: found.inputs,
      outputs: { ...found.inputs, ...found.outputs },
    };
    return found?.inputs;
  }

  async destroy(): Promise<void> {
    if (this.state === undefined) return;
    const { id, inputs, outputs } = this.state;
    await this.#definition.delete(this.#open(), id, { inputs, outputs });
    this.state = undefined;
  }

  #parse(wanted: object): VirtualKeyInputs {
    const inputs = this.#definition.inputs.parse(wanted);
    const [failure] = this.#definition.check(inputs, this.state?.inputs);
    if (failure !== undefined) throw new Error(`${failure.property}: ${failure.reason}`);
    return inputs;
  }

  /** As in a process of its own, which remembers nothing. */
  #open() {
    const { url, masterKey } = this.#server;
    const { context } = operationContext(undefined, { url, masterKey, process: randomUUID() });
    return {
      ...context,
      urn: `urn:pulumi:${this.#name}::test::${virtualKey.token}::key`,
      log: (message: string) => this.messages.push(message),
      conceal: (secret: string) => this.concealed.push(secret),
    };
  }
}

export async function findKeys({ client }: LitellmServer, alias: string): Promise<LiveKey[]> {
  const path = `/key/list?return_full_object=true&key_alias=${encodeURIComponent(alias)}`;
  return ((await client.succeed(path)) as { keys: LiveKey[] }).keys;
}

export async function findKey(
  { client }: LitellmServer,
  tokenId: string,
): Promise<LiveKey | undefined> {
  const path = `/key/list?return_full_object=true&key_hash=${tokenId}`;
  return ((await client.succeed(path)) as { keys: LiveKey[] }).keys[0];
}

/** A change by hand. */
export function changeKey(server: LitellmServer, tokenId: string, body: object) {
  return sendAdmin(server, "POST", "/key/update", { key: tokenId, ...body });
}

/** As they cross the wire. */
function clean(inputs: object): Properties {
  return JSON.parse(JSON.stringify(inputs)) as Properties;
}
