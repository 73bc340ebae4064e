import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import enginepb from "@pulumi/pulumi/proto/engine_pb.js";
import type pluginpb from "@pulumi/pulumi/proto/plugin_pb.js";
import pb from "@pulumi/pulumi/proto/provider_pb.js";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { z } from "zod";

import { Empty } from "../../components/provider/server/protobuf.ts";
import {
  PartialFailure,
  type Properties,
  type ResourceDefinition,
  Unobservable,
} from "../../components/provider/resource.ts";
import { serve, type RunningProvider } from "../../components/provider/server/server.ts";
import { encode, markSecret, UNKNOWN } from "../../components/provider/server/wire.ts";
import {
  call,
  decodeInitFailure,
  listenForLogs,
  ProviderClient,
} from "../support/provider-client.ts";

const PASSWORD = "correct-horse-battery";
const { Kind } = pb.PropertyDiff;
const { DIFF_NONE, DIFF_SOME } = pb.DiffResponse.DiffChanges;

/** A server somewhere: remembers what it was told, and fails when it is told to. */
function createServerDefinition() {
  const calls: { operation: string; given: unknown }[] = [];
  const configurations: Properties[] = [];
  const schema = z.strictObject({
    name: z.string().min(1),
    size: z.int().default(1),
    password: z.string().optional(),
    environment: z.record(z.string(), z.string()).default({}),
    behaviour: z.enum(["fail", "fail partially", "hang", "crash"]).optional(),
  });
  type Inputs = z.output<typeof schema>;
  interface Outputs {
    address: string;
    token: string;
    running: boolean;
  }
  const behave = async (inputs: Inputs, signal: AbortSignal): Promise<void> => {
    switch (inputs.behaviour) {
      case "fail":
        throw new Error(`login with ${String(inputs.password)} failed`, {
          cause: new Error("connection refused"),
        });
      case "fail partially":
        throw new PartialFailure(`unhealthy: ${String(inputs.password)}`, inputs.name, {
          address: "10.0.0.1",
        });
      case "hang":
        await sleep(60_000, undefined, { signal });
        break;
      case "crash":
        (undefined as unknown as Inputs).name.trim();
        break;
      case undefined:
    }
  };
  const definition = {
    token: "test:index:Server",
    inputs: schema,
    computedOutputs: ["address", "token", "running"],
    volatileOutputs: ["running"],
    secretOutputs: ["token"],
    secretWhenImported: ["environment"],
    replaceOnChanges: ["name"],
    deleteBeforeReplace: true,
    check(inputs, previous) {
      calls.push({ operation: "check", given: previous });
      return previous !== undefined && previous.size > inputs.size
        ? [{ property: "size", reason: `cannot shrink from ${previous.size} to ${inputs.size}` }]
        : [];
    },
    async create(context, inputs) {
      calls.push({ operation: "create", given: inputs });
      configurations.push(context.configuration);
      context.log(`creating with ${String(inputs.password)}`, { ephemeral: true });
      await behave(inputs, context.signal);
      return {
        id: inputs.name,
        outputs: { address: "10.0.0.1", token: "generated-token", running: true },
      };
    },
    read(_context, id, state) {
      calls.push({ operation: "read", given: state });
      return Promise.resolve(
        id === "gone"
          ? undefined
          : {
              inputs: { environment: {}, size: 7, ...state.inputs, name: id },
              outputs: { address: "10.0.0.1", token: "generated-token", running: false },
            },
      );
    },
    async update(context, _id, change) {
      calls.push({ operation: "update", given: change });
      await behave(change.inputs, context.signal);
      return { address: change.outputs.address, token: change.outputs.token, running: true };
    },
    delete(_context, _id, state) {
      calls.push({ operation: "delete", given: state });
      return Promise.resolve();
    },
    drift: (outputs) => (outputs.running ? [] : ["running"]),
  } satisfies ResourceDefinition<Inputs, Outputs>;
  return { calls, configurations, definition: definition as unknown as ResourceDefinition };
}

let served: ReturnType<typeof createServerDefinition>;
let provider: RunningProvider;
let client: ProviderClient;

beforeEach(async () => {
  served = createServerDefinition();
  provider = await serve({ name: "test", version: "1.2.3", definitions: [served.definition] });
  client = new ProviderClient(provider.port, "test:index:Server");
});

afterEach(async () => {
  client.close();
  await provider.stop();
});

const stored = (inputs: Properties): Properties => ({
  ...inputs,
  address: "10.0.0.1",
  token: markSecret("generated-token"),
  running: true,
});
const inputs = { name: "a", size: 1, environment: { A: "1" } };

describe("a resource that is observed before an update", () => {
  const state = { ...inputs, size: 7 };
  const diffObserved = async (id: string) => {
    const observing = await serve({
      name: "test",
      version: "1.2.3",
      definitions: [{ ...served.definition, observeBeforeUpdate: true }],
    });
    const observer = new ProviderClient(observing.port, "test:index:Server");
    try {
      return await observer.diff({ id, oldInputs: state, olds: stored(state), news: state });
    } finally {
      observer.close();
      await observing.stop();
    }
  };

  test("shows what differs from what the state remembers", async () => {
    const { changes, detailed, replacesList } = await diffObserved("a");
    expect({ changes, paths: Object.keys(detailed), replacesList }).toEqual({
      changes: DIFF_SOME,
      paths: ["running"],
      replacesList: [],
    });
  });

  test("is updated, not replaced, when it is gone", async () => {
    const { changes, detailed, replacesList } = await diffObserved("gone");
    expect({ changes, paths: Object.keys(detailed).sort(), replacesList }).toEqual({
      changes: DIFF_SOME,
      paths: ["environment", "name", "size"],
      replacesList: [],
    });
  });
});

describe("a resource that nobody can look at now", () => {
  const unobservable = {
    assertObservable: () => Promise.reject(new Unobservable("it is down")),
  };
  const state = { ...inputs, size: 7 };
  const serveUnobservable = async () => {
    const definition = { ...served.definition, observeBeforeUpdate: true, ...unobservable };
    const running = await serve({ name: "test", version: "1.2.3", definitions: [definition] });
    const asking = new ProviderClient(running.port, "test:index:Server");
    onTestFinished(async () => {
      asking.close();
      await running.stop();
    });
    return asking;
  };

  test("is what the state remembers, in a preview and in a refresh", async () => {
    const asking = await serveUnobservable();
    const olds = stored(state);
    const { changes } = await asking.diff({ id: "gone", oldInputs: state, olds, news: state });
    expect(changes).toBe(DIFF_NONE);
    expect(await asking.read("gone", state, olds)).toMatchObject({ id: "gone", inputs: state });
    expect(served.calls.map(({ operation }) => operation)).toEqual([]);
  });
});

test("a definition is given the provider's configuration in clear", async () => {
  const request = new pb.ConfigureRequest();
  request.setArgs(encode({ url: "https://gateway.test", key: markSecret(PASSWORD) }));
  await call<pb.ConfigureRequest, unknown>(client.raw.configure.bind(client.raw), request);
  await client.create(inputs);
  expect(served.configurations).toEqual([{ url: "https://gateway.test", key: PASSWORD }]);
});

test("introduces itself", async () => {
  const { raw } = client;
  const handshake = new pb.ProviderHandshakeRequest().setEngineAddress("127.0.0.1:1");
  const capabilities = await call<pb.ProviderHandshakeRequest, pb.ProviderHandshakeResponse>(
    raw.handshake.bind(raw),
    handshake,
  );
  expect(capabilities.getAcceptSecrets()).toBe(true);
  const configured = await call<pb.ConfigureRequest, pb.ConfigureResponse>(
    raw.configure.bind(raw),
    new pb.ConfigureRequest(),
  );
  expect(configured.getSupportspreview()).toBe(true);
  const info = await call<InstanceType<typeof Empty>, pluginpb.PluginInfo>(
    raw.getPluginInfo.bind(raw),
    new Empty(),
  );
  expect(info.getVersion()).toBe("1.2.3");
  const schema = await call<pb.GetSchemaRequest, pb.GetSchemaResponse>(
    raw.getSchema.bind(raw),
    new pb.GetSchemaRequest(),
  );
  expect(JSON.parse(schema.getSchema())).toEqual({
    name: "test",
    version: "1.2.3",
    resources: { "test:index:Server": {} },
  });
});

test("refuses a type it does not know", async () => {
  const other = new ProviderClient(provider.port, "test:index:Client");
  await expect(other.check({})).rejects.toThrow(
    'this version of provider "test" has no resource type "test:index:Client"; update the checkout, ' +
      "or forget the resource: pulumi state delete 'urn:pulumi:test::test::parent:index:Type$test:index:Client::name'",
  );
  other.close();
});

describe("check", () => {
  test("applies defaults and keeps secrets and unknown values", async () => {
    const checked = await client.check({
      name: UNKNOWN,
      password: markSecret(PASSWORD),
      environment: { A: UNKNOWN, B: markSecret("b") },
    });
    expect(checked).toEqual({
      inputs: {
        name: UNKNOWN,
        size: 1,
        password: markSecret(PASSWORD),
        environment: { A: UNKNOWN, B: markSecret("b") },
      },
      failures: [],
    });
  });

  test("names all that is wrong, without values", async () => {
    const { failures } = await client.check({
      size: "large",
      environment: { A: 1 },
      password: markSecret(5),
      nmae: "a",
    });
    expect(failures).toEqual([
      { property: "", reason: "name: is required" },
      { property: "", reason: "size: expected number, received string" },
      { property: "", reason: "password: expected string, received number" },
      { property: "", reason: "environment.A: expected string, received number" },
      { property: "", reason: 'there is no property "nmae"' },
    ]);
    expect(served.calls).toEqual([]);
  });

  test("asks the definition, with the previous inputs where there are any", async () => {
    await client.check({ name: "a" });
    const { failures } = await client.check({ name: "a", size: 1 }, { name: "a", size: 2 });
    expect(failures).toEqual([{ property: "", reason: "size: cannot shrink from 2 to 1" }]);
    expect(served.calls.map(({ given }) => given)).toEqual([
      undefined,
      { name: "a", size: 2, environment: {} },
    ]);
  });

  test("takes no objection to a value that is not known yet", async () => {
    const { failures } = await client.check({ name: "a", size: UNKNOWN }, { name: "a", size: 2 });
    expect(failures).toEqual([]);
  });
});

describe("diff", () => {
  test("is none without a change", async () => {
    const diff = await client.diff({
      oldInputs: { ...inputs, password: markSecret(PASSWORD) },
      olds: stored(inputs),
      news: { ...inputs, password: PASSWORD },
    });
    expect(diff.changes).toBe(DIFF_NONE);
    expect(diff.detailed).toEqual({});
    expect(diff.diffsList).toEqual([]);
  });

  test("shows changed paths only", async () => {
    const diff = await client.diff({
      oldInputs: inputs,
      olds: stored(inputs),
      news: { ...inputs, size: 2, environment: { "b.c": "2" } },
    });
    expect(diff).toMatchObject({
      changes: DIFF_SOME,
      diffsList: ["environment", "size"],
      replacesList: [],
      hasdetaileddiff: true,
      detailed: {
        size: { kind: Kind.UPDATE, inputdiff: true },
        "environment.A": { kind: Kind.DELETE, inputdiff: true },
        'environment["b.c"]': { kind: Kind.ADD, inputdiff: true },
      },
    });
  });

  test("replaces for what the definition names, the old one first", async () => {
    const diff = await client.diff({
      oldInputs: inputs,
      olds: stored(inputs),
      news: { ...inputs, name: "b" },
    });
    expect(diff).toMatchObject({
      replacesList: ["name"],
      deletebeforereplace: true,
      detailed: { name: { kind: Kind.UPDATE_REPLACE, inputdiff: true } },
    });
  });

  test("shows drift as a change, unless it is ignored", async () => {
    const state = { oldInputs: inputs, olds: { ...stored(inputs), running: false }, news: inputs };
    expect((await client.diff(state)).detailed).toEqual({
      running: { kind: Kind.UPDATE, inputdiff: false },
    });
    expect((await client.diff(state, ["running"])).changes).toBe(DIFF_NONE);
  });

  test("copes with state of an older version", async () => {
    const diff = await client.diff({ oldInputs: { name: "a" }, olds: {}, news: inputs });
    expect(Object.keys(diff.detailed)).toEqual(["environment", "running", "size"]);
  });
});

describe("preview", () => {
  test("of a creation does not know what only the creation will tell, and changes nothing", async () => {
    const { id, properties } = await client.create(
      { ...inputs, password: markSecret(PASSWORD) },
      { preview: true },
    );
    expect(id).toBe("");
    expect(properties).toEqual({
      ...inputs,
      password: markSecret(PASSWORD),
      address: UNKNOWN,
      token: markSecret(UNKNOWN),
      running: UNKNOWN,
    });
    expect(served.calls).toEqual([]);
  });

  test("of an update knows all that is stable", async () => {
    const properties = await client.update(
      {
        oldInputs: { ...inputs, password: markSecret(PASSWORD) },
        olds: stored({ ...inputs, password: markSecret(PASSWORD) }),
        news: { ...inputs, size: 2 },
      },
      { preview: true },
    );
    expect(properties).toEqual({ ...stored({ ...inputs, size: 2 }), running: UNKNOWN });
    expect(served.calls).toEqual([]);
  });

  test("of an update does not know an output that an older version did not store", async () => {
    const properties = await client.update(
      { oldInputs: inputs, olds: inputs, news: inputs },
      { preview: true },
    );
    expect(properties).toMatchObject({ address: UNKNOWN, token: markSecret(UNKNOWN) });
  });
});

describe("operations", () => {
  test("get secrets in clear and give them back marked", async () => {
    const created = await client.create({
      ...inputs,
      password: markSecret(PASSWORD),
      environment: { A: "1", B: markSecret("b") },
    });
    expect(served.calls).toEqual([
      {
        operation: "create",
        given: { ...inputs, password: PASSWORD, environment: { A: "1", B: "b" } },
      },
    ]);
    expect(created).toEqual({
      id: "a",
      properties: stored({
        ...inputs,
        password: markSecret(PASSWORD),
        environment: { A: "1", B: markSecret("b") },
      }),
    });
  });

  test("an update knows what was before", async () => {
    const news = { ...inputs, size: 2, password: markSecret(PASSWORD) };
    const properties = await client.update({
      oldInputs: { name: "a", retired: true },
      olds: stored(inputs),
      news,
    });
    expect(properties).toEqual(stored(news));
    expect(served.calls).toEqual([
      {
        operation: "update",
        given: {
          inputs: { ...news, password: PASSWORD },
          previousInputs: { name: "a", retired: true, size: 1, environment: {} },
          outputs: { ...stored(inputs), token: "generated-token" },
        },
      },
    ]);
  });

  test("a refresh observes, and what was secret stays so", async () => {
    const marked = { ...inputs, password: markSecret(PASSWORD) };
    const found = await client.read("a", marked, stored(marked));
    expect(found).toEqual({
      id: "a",
      inputs: marked,
      properties: { ...stored(marked), running: false },
    });
  });

  test("a refresh forgets that an input was secret when the program says it is none", async () => {
    const { properties } = await client.read(
      "a",
      { ...inputs, password: "public" },
      stored({ ...inputs, password: markSecret("public") }),
    );
    expect(properties).toMatchObject({ password: "public" });
  });

  test("a refresh of what is gone says so", async () => {
    expect(await client.read("gone", inputs, stored(inputs))).toMatchObject({ id: "" });
  });

  test("an import has only an id to go by, and takes for secret what may be", async () => {
    const found = await client.read("a");
    expect(served.calls).toEqual([{ operation: "read", given: { inputs: {}, outputs: {} } }]);
    expect(found.inputs).toEqual({ name: "a", size: 7, environment: markSecret({}) });
    expect(found.properties).toMatchObject({ size: 7, environment: markSecret({}) });
  });

  test("a deletion knows all that is stored", async () => {
    await client.delete("a", stored(inputs), { name: "a" });
    expect(served.calls).toEqual([
      {
        operation: "delete",
        given: {
          inputs: { name: "a", size: 1, environment: {} },
          outputs: { ...stored(inputs), token: "generated-token" },
        },
      },
    ]);
  });

  test("run side by side", async () => {
    const slow = Array.from({ length: 20 }, () => client.create({ ...inputs, behaviour: "hang" }));
    const settled = Promise.allSettled(slow);
    await vi.waitFor(() => {
      expect(served.calls).toHaveLength(20);
    });
    expect(await client.create(inputs)).toMatchObject({ id: "a" });
    await client.cancel();
    expect((await settled).map(({ status }) => status)).toEqual(Array(20).fill("rejected"));
  });

  test("carry more than the 4 MiB of plain gRPC", async () => {
    const large = "x".repeat(16 << 20);
    const { properties } = await client.create({ ...inputs, environment: { LARGE: large } });
    expect((properties["environment"] as { LARGE: string }).LARGE === large).toBe(true);
  });
});

describe("failures", () => {
  test("name the cause, never a secret, never a stack", async () => {
    const failed = client.create({ ...inputs, password: markSecret(PASSWORD), behaviour: "fail" });
    await expect(failed).rejects.toMatchObject({
      details: "login with [secret] failed: connection refused",
    });
  });

  test("of our own code are told in one line too", async () => {
    const failed = client.create({ ...inputs, behaviour: "crash" });
    await expect(failed).rejects.toMatchObject({
      details: "Cannot read properties of undefined (reading 'name')",
    });
  });

  test("redact a secret of the provider's configuration", async () => {
    const request = new pb.ConfigureRequest();
    request.setArgs(encode({ key: markSecret(PASSWORD) }));
    await call<pb.ConfigureRequest, unknown>(client.raw.configure.bind(client.raw), request);
    const failed = client.create({ ...inputs, password: PASSWORD, behaviour: "fail" });
    await expect(failed).rejects.toMatchObject({
      details: "login with [secret] failed: connection refused",
    });
  });

  test("half way keep what is there in the state", async () => {
    const given = { ...inputs, password: markSecret(PASSWORD), behaviour: "fail partially" };
    const error: unknown = await client.create(given).catch((thrown: unknown) => thrown);
    expect(decodeInitFailure(error)).toEqual({
      id: "a",
      reasons: ["unhealthy: [secret]"],
      inputs: given,
      properties: { ...given, address: "10.0.0.1" },
    });
  });

  test("on cancellation come at once", async () => {
    const failed = expect(client.create({ ...inputs, behaviour: "hang" })).rejects.toMatchObject({
      details: "cancelled",
    });
    await vi.waitFor(() => {
      expect(served.calls).toHaveLength(1);
    });
    await client.cancel();
    await failed;
  });
});

test("logs to the engine, redacted, and a stack only for --debug", async () => {
  const engine = await listenForLogs();
  const { raw } = client;
  const handshake = new pb.ProviderHandshakeRequest().setEngineAddress(engine.address);
  await call<pb.ProviderHandshakeRequest, unknown>(raw.handshake.bind(raw), handshake);
  const given = { ...inputs, password: markSecret(PASSWORD), behaviour: "fail" };
  await expect(client.create(given)).rejects.toThrow();
  await vi.waitFor(() => {
    expect(engine.lines).toHaveLength(2);
  });
  const [progress, stack] = engine.lines;
  expect(progress).toMatchObject({
    message: "creating with [secret]",
    urn: "urn:pulumi:test::test::parent:index:Type$test:index:Server::name",
    ephemeral: true,
    severity: enginepb.LogSeverity.INFO,
  });
  expect(stack?.severity).toBe(enginepb.LogSeverity.DEBUG);
  expect(stack?.message).toMatch(/^Error: login with \[secret\] failed\n +at /);
  engine.close();
});

describe("the executable", () => {
  const launch = (checkout: string, parent?: string) => {
    const executable = join(checkout, "components/provider/pulumi-resource-litellm");
    return parent === undefined
      ? spawn(executable, { stdio: ["ignore", "pipe", "inherit"] })
      : // A parent of its own, whose end leaves the plugin an orphan.
        spawn("sh", ["-c", '"$0" & echo $!; wait', executable], {
          stdio: ["ignore", "pipe", "inherit"],
        });
  };

  test("prints its port, in a checkout with spaces in its path", async () => {
    const folder = mkdtempSync(join(tmpdir(), "checkout with spaces "));
    for (const name of ["components", "node_modules", "package.json"]) {
      symlinkSync(resolve(name), join(folder, name));
    }
    const plugin = launch(folder);
    try {
      const [line] = (await once(plugin.stdout, "data")) as [Buffer];
      expect(line.toString()).toMatch(/^\d+\n$/);
      const served = new ProviderClient(Number(line), "litellm:host:File");
      expect(await served.check({ path: "p", content: "c" })).toMatchObject({
        inputs: { path: "p", content: "c", mode: "0644" },
        failures: [],
      });
      served.close();
    } finally {
      plugin.kill("SIGKILL");
      rmSync(folder, { recursive: true });
    }
  });

  test("ends when whoever started it was killed", async () => {
    const parent = launch(".", "sh");
    let printed = "";
    parent.stdout.on("data", (chunk: Buffer) => (printed += chunk.toString()));
    await vi.waitFor(() => {
      expect(printed).toMatch(/^\d+\n\d+\n$/);
    }, 10_000);
    const pid = Number(printed.split("\n")[0]);
    expect(process.kill(pid, 0)).toBe(true);
    parent.kill("SIGKILL");
    // Its standard output closes with it.
    await once(parent, "close");
    await vi.waitFor(() => {
      expect(() => process.kill(pid, 0)).toThrow("ESRCH");
    }, 10_000);
  });
});
