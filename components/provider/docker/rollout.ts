import { setTimeout as sleep } from "node:timers/promises";

import { z } from "zod";

import { formatCommand } from "../../docker-command.ts";
import { PartialFailure, type OperationContext, type ResourceDefinition } from "../resource.ts";
import {
  findProblem,
  inspectContainers,
  isAlive,
  listContainers,
  readLogEnd,
  REFRESH,
  type InspectedContainer,
  type ListedContainer,
} from "./containers.ts";
import { assertEdgeAnswers, fileEdge, readRoutes, readServers, switchRoutes } from "./edge.ts";
import { DockerError, engine, runOnEngine } from "./engine.ts";
import { removeFile } from "./path-in-container.ts";

/** A Traefik that finds the proxies by their labels, once Docker calls them healthy. */
const labelsEdge = z.strictObject({
  kind: z.literal("labels"),
  retireCommand: z.array(z.string()).min(1).meta({
    description:
      "Run in an old proxy: makes its health check fail, so that it gets no new request.",
  }),
  settleSeconds: z.number().nonnegative().meta({
    description: "Until Traefik has acted on what Docker says of a proxy's health.",
  }),
});

const inputs = z.strictObject({
  engine,
  generation: z.string().min(1).meta({ description: "Tells this generation of proxies." }),
  proxies: z.array(z.string().min(1)).min(1).meta({
    description: "Names of this generation's containers.",
  }),
  labels: z.record(z.string(), z.string()).meta({ description: "Tell the stack's containers." }),
  generationLabel: z.string().min(1).meta({
    description: "Label whose value is the generation that a container belongs to.",
  }),
  readyDeadlineSeconds: z.number().positive().meta({
    description: "Longest time until the new proxies are healthy.",
  }),
  stopGraceSeconds: z.int().positive().meta({
    description: "Longest time for an old proxy's last requests, where its container names none.",
  }),
  admission: z
    .strictObject({
      command: z.array(z.string()).min(1).meta({ description: "Must end with status 0." }),
      deadlineSeconds: z.number().positive().meta({ description: "For all tries together." }),
    })
    .meta({ description: "The check that each new proxy must pass, run in it." }),
  edge: z.discriminatedUnion("kind", [fileEdge, labelsEdge]).meta({
    description: "What sends requests to the proxies.",
  }),
  revision: z.record(z.string(), z.string()).default({}).meta({
    description: "Whatever else makes the proxies be checked again when it changes.",
  }),
});

export type RolloutInputs = z.output<typeof inputs>;

export interface RolloutOutputs {
  /** Names of the proxies that requests go to. */
  readonly serving: readonly string[];
}

/** What was known before a rollout began. */
interface Before {
  readonly serving: readonly string[];
  /** Undefined at the first one. */
  readonly inputs: RolloutInputs | undefined;
}

/**
 * Puts a new generation of proxies into the place of the old ones without a failed request: they
 * must be healthy and pass a check; the routes are switched, and that is confirmed; then the old
 * ones end their last requests and stop. Where the new ones fail they are removed, and the old
 * ones never notice. Every step looks at what is there, so that an interrupted rollout goes on.
 */
export const rollout = {
  token: "litellm:docker:Rollout",
  inputs,
  computedOutputs: ["serving"],
  volatileOutputs: ["serving"],
  observeBeforeUpdate: true,

  async create(context, inputs) {
    const id = identify(inputs);
    return { id, outputs: await rollOut(context, id, inputs, { serving: [], inputs: undefined }) };
  },

  async read({ signal }, _id, { inputs, outputs }) {
    if (inputs.engine === undefined) {
      return undefined; // cannot be imported: nobody knows which proxies it is about
    }
    const known = inputs as RolloutInputs;
    const { serving = [] } = outputs;
    const names = [...new Set([...serving, ...known.proxies])];
    const containers = await inspectContainers(known.engine, names, signal);
    const running = serving.filter((name) => containers.get(name)?.State.Status === "running");
    const edge =
      known.edge.kind === "file"
        ? { ...known.edge, content: await readRoutes(known.engine, known.edge, signal) }
        : known.edge;
    return { inputs: { ...known, edge }, outputs: { serving: running } };
  },

  update: (context, id, { inputs, previousInputs, outputs }) =>
    rollOut(context, id, inputs, { serving: outputs.serving, inputs: previousInputs }),

  async delete(context, _id, { inputs }) {
    if (inputs.edge.kind === "labels") return;
    const { container, path } = inputs.edge;
    try {
      await removeFile({ engine: inputs.engine, container, path }, context.signal);
    } catch (error) {
      context.signal.throwIfAborted();
      // What routes to nothing must not keep the rest from being removed.
      context.log(`the routes were not removed: ${(error as Error).message}`, {
        severity: "warning",
      });
    }
  },

  drift: ({ proxies, serving }) =>
    proxies.every((name) => serving.includes(name)) ? [] : ["serving"],
} satisfies ResourceDefinition<RolloutInputs, RolloutOutputs>;

function identify({ labels, generationLabel }: RolloutInputs): string {
  const tell = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  return [...tell.sort(), generationLabel].join(",");
}

const POLL_MILLISECONDS = 700;
/** A line that stays where there is no terminal. */
const PROGRESS_MILLISECONDS = 5000;

async function rollOut(
  context: OperationContext,
  id: string,
  inputs: RolloutInputs,
  before: Before,
): Promise<RolloutOutputs> {
  let { serving } = before;
  try {
    if (inputs.edge.kind === "file") {
      await assertEdgeAnswers(inputs.engine, inputs.edge, context.signal);
    }
    await passGate(context, inputs, before);
    if (inputs.edge.kind === "file") {
      await switchRoutes(context, inputs.engine, inputs.edge);
    }
    serving = inputs.proxies;
    await retireOthers(context, inputs);
    return { serving };
  } catch (error) {
    // Also of a cancelled one the state must know: the next `up` goes on.
    const message = error instanceof Error ? error.message : String(error);
    throw new PartialFailure(context.signal.aborted ? "cancelled" : message, id, { serving });
  }
}

/** A proxy that cannot be given requests. */
class RefusedProxy extends Error {
  readonly proxy: string;
  /** What can be done about it. */
  readonly remedy: string | undefined;

  constructor(proxy: string, reason: string, remedy?: string) {
    super(reason);
    this.proxy = proxy;
    this.remedy = remedy;
  }
}

async function passGate(
  context: OperationContext,
  inputs: RolloutInputs,
  before: Before,
): Promise<void> {
  const watch = new ProxyWatch(inputs, context.signal);
  try {
    await awaitHealth(context, inputs, watch);
    // They have passed already, and nothing about them has changed.
    if (isAdmitted(inputs, before)) return;
    context.log("checking the new proxies", { ephemeral: true });
    const failed = new AbortController();
    const signal = AbortSignal.any([context.signal, failed.signal]);
    await Promise.all(
      inputs.proxies.map((proxy) =>
        admit(inputs, proxy, watch, signal).catch((error: unknown) => {
          failed.abort(error);
          throw error;
        }),
      ),
    );
  } catch (error) {
    context.signal.throwIfAborted();
    if (!(error instanceof RefusedProxy)) throw error;
    throw new Error(await refuse(context, inputs, before, error));
  }
}

function isAdmitted(inputs: RolloutInputs, { serving, inputs: previous }: Before): boolean {
  const summarise = ({ generation, proxies, admission, revision }: RolloutInputs) =>
    JSON.stringify([generation, proxies, admission, Object.entries(revision).sort()]);
  return (
    previous !== undefined &&
    summarise(previous) === summarise(inputs) &&
    inputs.proxies.every((name) => serving.includes(name))
  );
}

/** Looks at the new proxies again and again. */
class ProxyWatch {
  readonly #inputs: RolloutInputs;
  readonly #signal: AbortSignal;
  readonly #restarts = new Map<string, number>();

  constructor(inputs: RolloutInputs, signal: AbortSignal) {
    this.#inputs = inputs;
    this.#signal = signal;
  }

  /** @throws RefusedProxy as soon as one of them has ended */
  async look(proxies = this.#inputs.proxies): Promise<ReadonlyMap<string, InspectedContainer>> {
    const { engine } = this.#inputs;
    const containers = await inspectContainers(engine, proxies, this.#signal);
    for (const proxy of proxies) {
      const container = containers.get(proxy);
      const restarts = this.#restarts.get(proxy) ?? container?.RestartCount ?? 0;
      this.#restarts.set(proxy, restarts);
      const problem = findProblem(engine, proxy, container, restarts);
      if (problem !== undefined) {
        throw new RefusedProxy(proxy, problem.description, problem.remedy);
      }
    }
    return containers;
  }
}

async function awaitHealth(
  context: OperationContext,
  { proxies, readyDeadlineSeconds }: RolloutInputs,
  watch: ProxyWatch,
): Promise<void> {
  const begin = Date.now();
  const progress = new Progress(context);
  for (;;) {
    const containers = await watch.look();
    const waiting = proxies.filter((name) => !isHealthy(containers.get(name)));
    const [first] = waiting;
    if (first === undefined) return;
    if (Date.now() - begin > readyDeadlineSeconds * 1000) {
      const health = containers.get(first)?.State.Health?.Status ?? "not there";
      throw new RefusedProxy(
        first,
        `was not healthy within ${readyDeadlineSeconds} seconds (it is ${health})`,
      );
    }
    progress.tell(`waiting until ${waiting.join(", ")} can serve`);
    await sleep(POLL_MILLISECONDS, undefined, { signal: context.signal });
  }
}

/** By Docker's own check, where the container has one. */
function isHealthy(container: InspectedContainer | undefined): boolean {
  return container?.State.Health === undefined || container.State.Health.Status === "healthy";
}

/** @throws RefusedProxy when the check still fails at its deadline */
async function admit(
  { engine, admission }: RolloutInputs,
  proxy: string,
  watch: ProxyWatch,
  signal: AbortSignal,
): Promise<void> {
  const deadline = AbortSignal.timeout(admission.deadlineSeconds * 1000);
  let reason = "it did not end";
  for (;;) {
    try {
      await runOnEngine(engine, ["exec", proxy, ...admission.command], {
        signal: AbortSignal.any([signal, deadline]),
      });
      return;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof DockerError) {
        reason = error.stderr.trim().split("\n").at(-1) ?? reason;
      } else if (!deadline.aborted) {
        throw error;
      }
    }
    await watch.look([proxy]);
    if (deadline.aborted) {
      throw new RefusedProxy(
        proxy,
        `did not pass its check within ${admission.deadlineSeconds} seconds: ${reason}`,
      );
    }
    await sleep(POLL_MILLISECONDS, undefined, { signal });
  }
}

/** Removes what nobody will use, and returns what to tell of it. */
async function refuse(
  context: OperationContext,
  inputs: RolloutInputs,
  before: Before,
  { proxy, message, remedy }: RefusedProxy,
): Promise<string> {
  const { engine, proxies, generation } = inputs;
  const { signal } = context;
  const container = (await inspectContainers(engine, [proxy], signal)).get(proxy);
  const log = await readLogEnd(engine, proxy, container, signal);
  const said = `${proxy} ${message}${log === "" ? "" : `; its log ends:\n${log}`}`;
  if (await isServing(inputs, before, signal)) {
    return (
      `${said}\n${proxy} belongs to the generation that serves, so nothing was removed; ` +
      `mend it, then run \`pulumi up\`: ${remedy ?? formatCommand(engine, ["restart", proxy])}`
    );
  }
  await runOnEngine(engine, ["rm", "--force", "--volumes", ...proxies], { signal }).catch(
    (error: unknown) => {
      if (!(error instanceof DockerError) || !error.isContainerMissing) throw error;
    },
  );
  const others = [...new Set((await listOthers(inputs, signal)).map(({ value }) => value))];
  const kept =
    others.length === 0
      ? "No other proxies serve"
      : `Those of generation ${others.join(", ")} keep serving`;
  return (
    `${said}\nThe new proxies, generation ${generation}, were removed. ${kept}. ` +
    // What is missing Pulumi must see first.
    `Mend the cause, then run: ${remedy === REFRESH ? REFRESH : "pulumi up"}`
  );
}

/** Whether requests go to this generation already; also where that cannot be found out. */
async function isServing(
  { engine, edge, proxies }: RolloutInputs,
  { serving }: Before,
  signal: AbortSignal,
): Promise<boolean> {
  if (edge.kind === "labels") return proxies.some((name) => serving.includes(name));
  const servers = await readServers(engine, edge, signal);
  return servers === undefined || edge.servers.some((url) => servers.includes(url));
}

/** Proxies of other generations that still run. */
async function listOthers(
  { engine, labels, generationLabel, generation }: RolloutInputs,
  signal: AbortSignal,
): Promise<ListedContainer[]> {
  const all = await listContainers(engine, labels, generationLabel, signal);
  return all.filter((container) => container.value !== generation && isAlive(container));
}

async function retireOthers(context: OperationContext, inputs: RolloutInputs): Promise<void> {
  const { engine, edge, stopGraceSeconds } = inputs;
  const others = (await listOthers(inputs, context.signal)).map(({ name }) => name);
  if (others.length === 0) return;
  if (edge.kind === "labels") {
    await takeOut(context, inputs, others, edge);
  }
  const containers = await inspectContainers(engine, others, context.signal);
  const graces = new Map(
    [...containers].map(([name, { Config }]) => [name, Config.StopTimeout ?? stopGraceSeconds]),
  );
  const progress = new Progress(context);
  const draining = new Set(graces.keys());
  const begin = Date.now();
  const tell = () => {
    const seconds = Math.round((Date.now() - begin) / 1000);
    progress.tell(
      `draining ${[...draining].join(", ")} (${seconds} of at most ${Math.max(...graces.values())} seconds)`,
    );
  };
  tell();
  const timer = setInterval(tell, PROGRESS_MILLISECONDS);
  try {
    await Promise.all(
      [...graces].map(async ([name, grace]) => {
        const command = ["stop", "-t", String(grace), name];
        await ignoreMissing(runOnEngine(engine, command, { signal: context.signal }));
        draining.delete(name);
      }),
    );
  } finally {
    clearInterval(timer);
  }
}

/** Out of a Traefik that goes by Docker's health, before they are stopped. */
async function takeOut(
  context: OperationContext,
  { engine, readyDeadlineSeconds }: RolloutInputs,
  others: readonly string[],
  { retireCommand, settleSeconds }: z.output<typeof labelsEdge>,
): Promise<void> {
  const { signal } = context;
  const settle = () => sleep(settleSeconds * 1000, undefined, { signal });
  // It must have taken the new ones in.
  await settle();
  await Promise.all(
    others.map(async (name) => {
      try {
        await ignoreMissing(runOnEngine(engine, ["exec", name, ...retireCommand], { signal }));
      } catch (error) {
        signal.throwIfAborted();
        context.log(
          `${name} could not be taken out of the routes before it stops, and may fail a request: ${(error as Error).message}`,
          { severity: "warning" },
        );
      }
    }),
  );
  const progress = new Progress(context);
  const deadline = Date.now() + readyDeadlineSeconds * 1000;
  for (;;) {
    const containers = await inspectContainers(engine, others, signal);
    const routed = [...containers.entries()]
      .filter(([, { State }]) => State.Status === "running" && State.Health?.Status === "healthy")
      .map(([name]) => name);
    if (routed.length === 0) break;
    if (Date.now() > deadline) {
      context.log(`${routed.join(", ")} did not leave the routes; stopping all the same`, {
        severity: "warning",
      });
      break;
    }
    progress.tell(`waiting until ${routed.join(", ")} gets no more requests`);
    await sleep(POLL_MILLISECONDS, undefined, { signal });
  }
  await settle();
}

async function ignoreMissing(command: Promise<unknown>): Promise<void> {
  try {
    await command;
  } catch (error) {
    if (!(error instanceof DockerError) || !error.isContainerMissing) throw error;
  }
}

/** Tells what is waited for, not more often than somebody wants to read it. */
class Progress {
  readonly #context: OperationContext;
  #told = 0;

  constructor(context: OperationContext) {
    this.#context = context;
  }

  tell(message: string): void {
    if (Date.now() - this.#told < PROGRESS_MILLISECONDS - POLL_MILLISECONDS) return;
    this.#told = Date.now();
    this.#context.log(message, { ephemeral: true });
  }
}
