import { randomBytes } from "node:crypto";

import { expect, onTestFinished, test, vi } from "vitest";

import { GatewayApi } from "../../../components/provider/access/gateway-api.ts";
import type { OperationContext, Properties } from "../../../components/provider/resource.ts";
import type { GatewayClient } from "../../support/gateway-client.ts";
import type { LitellmServer } from "../../support/litellm-server.ts";
import { operationContext } from "../../support/operation-context.ts";

/** What a test calls of a resource definition. */
interface Definition<Inputs> {
  readonly token: string;
  readonly inputs: { parse(value: unknown): Inputs };
  create(context: OperationContext, inputs: Inputs): Promise<{ id: string; outputs: Outputs }>;
  read(
    context: OperationContext,
    id: string,
    state: { inputs: object; outputs: object },
  ): Promise<{ inputs: Inputs; outputs: Outputs } | undefined>;
  update(
    context: OperationContext,
    id: string,
    change: { inputs: Inputs; previousInputs: Inputs; outputs: Inputs & Outputs },
  ): Promise<Outputs>;
  delete(context: OperationContext, id: string): Promise<void>;
}

interface Outputs {
  readonly serverDefaults: Properties;
}

export interface LifeCycle<Inputs> {
  readonly definition: Definition<Inputs>;
  readonly id: string;
  /** What makes it what it is. */
  readonly identity: Properties;
  /** Everything that can be set beside it. */
  readonly full: Properties;
  /** One property, and what must be sent for it, and nothing else. */
  readonly edit: { readonly inputs: Properties; readonly body: Properties };
  /** What somebody changes by hand, and how a read shows it. */
  readonly byHand: {
    readonly path: string;
    readonly body: object;
    readonly inputs: Properties;
  };
  readonly deleteByHand: { readonly path: string; readonly body: object };
  /** Makes one by hand that is not as wanted. */
  readonly makeByHand: { readonly path: string; readonly body: object };
  /** What it takes for it to be made. Default: nothing. */
  prepare?(client: GatewayClient): Promise<void>;
  /** Whether LiteLLM keeps whose it is. */
  readonly hasOwner: boolean;
}

let contexts = 0;

/** A context of its own: what another has listed is not known to it. */
export function openContext(
  { url, masterKey }: Pick<LitellmServer, "url" | "masterKey">,
  { token = "litellm:access:Test", name = "thing", stack = "test" } = {},
) {
  const patienceSeconds = 20 + ++contexts / 1000;
  const opened = operationContext(undefined, { url, masterKey, patienceSeconds });
  const urn = `urn:pulumi:${stack}::gateway::${token}::${name}`;
  return { ...opened, context: { ...opened.context, urn } };
}

/** An id that no other run of the tests has used. */
export const uniqueId = (name: string): string => `${name}-${randomBytes(4).toString("hex")}`;

/** Deletes it when the test is over, whatever has become of it. */
export function removeAfterwards(
  server: LitellmServer,
  { token, delete: remove }: Pick<Definition<object>, "delete" | "token">,
  id: string,
): void {
  onTestFinished(() => remove(openContext(server, { token }).context, id));
}

/** Makes LiteLLM fill in by itself what a request leaves out, for one test. */
export async function setServerDefaults(
  { url, masterKey }: LitellmServer,
  noun: "default_team_settings" | "internal_user_settings",
  settings: object,
): Promise<void> {
  const patch = async (body: object) => {
    const response = await fetch(`${url}/update/${noun}`, {
      method: "PATCH",
      headers: { authorization: `Bearer ${masterKey}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    expect(response.status).toBe(200);
  };
  await patch(settings);
  onTestFinished(() => patch({}));
}

/** Bodies of the requests that change something, while `act` runs. */
export async function recordChanges(act: () => Promise<unknown>): Promise<object[]> {
  const spies = [
    vi.spyOn(GatewayApi.prototype, "call"),
    vi.spyOn(GatewayApi.prototype, "create"),
  ] as const;
  try {
    await act();
    return spies
      .flatMap((spy) => spy.mock.calls.map(([request]) => request))
      .filter(({ path }) => path !== "/budget/info")
      .flatMap(({ body }) => body ?? []);
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

/** The life of a resource in a real LiteLLM, from its making to its end. */
export function testLifeCycle<Inputs extends object>(
  server: () => LitellmServer,
  describeLife: () => LifeCycle<Inputs>,
): void {
  const start = async () => {
    const life = describeLife();
    const { client } = server();
    await life.prepare?.(client);
    const { definition, identity, id } = life;
    const { token } = definition;
    removeAfterwards(server(), definition, id);
    const open = (options = {}) => openContext(server(), { token, ...options });
    const parse = (inputs: Properties = {}) => definition.inputs.parse({ ...identity, ...inputs });
    const read = (inputs: object, outputs: object = { serverDefaults: {} }) =>
      definition.read(open().context, id, { inputs, outputs });
    const change = (inputs: Inputs, previousInputs = inputs) =>
      definition.update(open().context, id, {
        inputs,
        previousInputs,
        outputs: { ...previousInputs, serverDefaults: {} },
      });
    return { ...life, client, open, parse, read, change };
  };

  test("what is made is read as it was wanted, and needs no change", async () => {
    const { definition, id, full, open, parse, read, change } = await start();
    const inputs = parse(full);
    const { id: made, outputs } = await definition.create(open().context, inputs);
    expect(made).toBe(id);
    expect(outputs).toEqual({ serverDefaults: {} });
    expect(await read(inputs)).toEqual({ inputs, outputs });
    expect(await recordChanges(() => change(inputs))).toEqual([]);
  });

  test("only what differs is sent", async () => {
    const { full, edit, definition, open, parse, read, change } = await start();
    const before = parse(full);
    await definition.create(open().context, before);
    const after = parse({ ...full, ...edit.inputs });
    const bodies = await recordChanges(() => change(after, before));
    expect(bodies).toEqual([edit.body]);
    expect((await read(after))?.inputs).toEqual(after);
  });

  test("every property can be unset, and set again", async () => {
    const { full, definition, open, parse, read, change } = await start();
    const everything = parse(full);
    const nothing = parse();
    await definition.create(open().context, everything);
    await change(nothing, everything);
    expect((await read(nothing))?.inputs).toEqual(nothing);
    expect((await read({}))?.inputs).toEqual(nothing);
    await change(everything, nothing);
    expect((await read(everything))?.inputs).toEqual(everything);
  });

  test("what somebody changes by hand is read, that and nothing else, and taken back", async () => {
    const { full, byHand, definition, client, open, parse, read, change } = await start();
    const inputs = parse(full);
    await definition.create(open().context, inputs);
    await client.succeed(byHand.path, byHand.body);
    expect((await read(inputs))?.inputs).toEqual({ ...inputs, ...byHand.inputs });
    await change(inputs);
    expect((await read(inputs))?.inputs).toEqual(inputs);
  });

  test("what somebody deletes by hand is gone, and made again by an update", async () => {
    const { full, deleteByHand, definition, client, id, open, parse, read, change } = await start();
    const inputs = parse(full);
    await definition.create(open().context, inputs);
    await client.succeed(deleteByHand.path, deleteByHand.body);
    expect(await read(inputs)).toBeUndefined();
    await change(inputs);
    expect((await read(inputs))?.inputs).toEqual(inputs);
    await definition.delete(open().context, id);
    expect(await read(inputs)).toBeUndefined();
    await definition.delete(open().context, id);
  });

  test("an import reads what a program would say", async () => {
    const { full, definition, open, parse, read } = await start();
    await definition.create(open().context, parse(full));
    const imported = await read({}, {});
    expect(imported).toEqual({ inputs: parse(full), outputs: { serverDefaults: {} } });
  });

  test("what exists and is another's is taken over only on demand", async () => {
    const { full, makeByHand, definition, client, id, open, parse, read } = await start();
    await client.succeed(makeByHand.path, makeByHand.body);
    const inputs = parse(full);
    const name = "my thing";
    await expect(definition.create(open({ name }).context, inputs)).rejects.toThrow(
      `take it over with adopt: true, or import it as it is: pulumi import ${definition.token} 'my thing' ${id}`,
    );
    const adopting = parse({ ...full, adopt: true });
    await definition.create(open({ name }).context, adopting);
    expect((await read(adopting))?.inputs).toEqual(adopting);
  });

  test("what an earlier run has made before it was killed is taken for what it is", async () => {
    const { full, edit, hasOwner, definition, open, parse, read } = await start();
    const inputs = parse(full);
    await definition.create(open().context, inputs);
    const other = parse({ ...full, ...edit.inputs });
    const resumed = definition.create(open().context, other);
    if (hasOwner) {
      await resumed;
      expect((await read(other))?.inputs).toEqual(other);
      await expect(definition.create(open({ stack: "other" }).context, inputs)).rejects.toThrow(
        "is not this stack's (managed by pulumi:gateway/test:thing)",
      );
    } else {
      await expect(resumed).rejects.toThrow("by an `up` that ended early");
    }
  });
}
