import { setTimeout as sleep } from "node:timers/promises";

import { z } from "zod";

import { formatCommand } from "../../docker-command.ts";
import type { OperationContext } from "../resource.ts";
import { DockerError, runOnEngine, type Engine } from "./engine.ts";
import { observeFile, writeFile } from "./path-in-container.ts";

/** Traefik in a container, which reads its routes from a folder. */
export const fileEdge = z.strictObject({
  kind: z.literal("file"),
  container: z.string().min(1).meta({ description: "Name of Traefik's container." }),
  path: z.string().startsWith("/").meta({
    description: "The file with the routes, in the folder that Traefik watches.",
  }),
  content: z.string().meta({ description: "Text of that file; no secrets." }),
  service: z.string().min(1).meta({
    description: "The service of the proxies as Traefik's API names it: litellm@file.",
  }),
  servers: z.array(z.string().min(1)).min(1).meta({
    description: "The proxies' URLs in that service, in the order of the proxies.",
  }),
  apiUrl: z.string().min(1).meta({
    description: "Traefik's API, as it is reached inside its container.",
  }),
  deadlineSeconds: z.number().positive().default(60).meta({
    description: "Longest time until Traefik has taken the routes, which is seconds as a rule.",
  }),
});

export type FileEdge = z.output<typeof fileEdge>;

/** What Traefik's API tells of the service of the proxies. */
interface ShownService {
  readonly loadBalancer?: { readonly servers?: readonly { readonly url: string }[] };
  /** By URL, where Traefik checks them itself. */
  readonly serverStatus?: Readonly<Record<string, string>>;
}

interface ShownRouter {
  readonly name: string;
  readonly service: string;
  readonly provider: string;
  readonly status: string;
  readonly error?: readonly string[];
}

const ROUTES_MODE = "0644";
const POLL_MILLISECONDS = 200;
/** For requests that were given to an old proxy and not yet sent. */
const SETTLE_MILLISECONDS = 1000;

/** Text of the routes that are there; empty where there are none. */
export async function readRoutes(
  engine: Engine,
  { container, path }: FileEdge,
  signal: AbortSignal,
): Promise<string> {
  return (await observeFile({ engine, container, path }, signal))?.content ?? "";
}

/** URLs that requests go to now; undefined where Traefik cannot be asked, none where it has no such service. */
export async function readServers(
  engine: Engine,
  edge: FileEdge,
  signal: AbortSignal,
): Promise<string[] | undefined> {
  try {
    const service = await ask<ShownService>(
      engine,
      edge,
      `/api/http/services/${edge.service}`,
      signal,
    );
    return listServers(service);
  } catch (error) {
    if (!(error instanceof DockerError)) throw error;
    return error.stderr.includes("404") ? [] : undefined;
  }
}

/**
 * @throws Error that says how to bring Traefik back, where it does not answer
 */
export async function assertEdgeAnswers(
  engine: Engine,
  edge: FileEdge,
  signal: AbortSignal,
): Promise<void> {
  const deadline = Date.now() + edge.deadlineSeconds * 1000;
  for (;;) {
    try {
      await ask(engine, edge, "/api/version", signal);
      return;
    } catch (error) {
      if (!(error instanceof DockerError)) throw error;
      if (error.isContainerMissing) {
        throw new Error(
          `${edge.container}, which routes to the proxies, is not there; let Pulumi see that, and make it again: pulumi up --refresh`,
        );
      }
      if (Date.now() > deadline || error.isContainerStopped) {
        const command = error.isContainerStopped ? "start" : "logs";
        throw new Error(
          `${edge.container}, which routes to the proxies, does not answer (${lastLine(error.stderr)}); ` +
            `${command === "start" ? "start it" : "see why"}: ${formatCommand(engine, [command, edge.container])}`,
        );
      }
    }
    await sleep(POLL_MILLISECONDS, undefined, { signal });
  }
}

/**
 * Has Traefik route to the new proxies, and returns when it does and nothing is on its way to others.
 * Where it does not take them, it gets its former routes back.
 */
export async function switchRoutes(
  context: OperationContext,
  engine: Engine,
  edge: FileEdge,
): Promise<void> {
  const { signal } = context;
  const place = { engine, container: edge.container, path: edge.path };
  const former = await observeFile(place, signal);
  const isWritten = former?.content === edge.content && former.mode === ROUTES_MODE;
  if (!isWritten) {
    context.log("switching the routes to the new proxies", { ephemeral: true });
    await writeFile(place, { content: edge.content, mode: ROUTES_MODE, owner: 0 }, signal);
  }
  const difference = await confirm(engine, edge, signal);
  if (difference === undefined) return;
  const isReturned = former !== undefined && !isWritten;
  if (isReturned) {
    await writeFile(place, former, signal);
  }
  throw new Error(
    `${edge.container} did not take the routes within ${edge.deadlineSeconds} seconds: ${difference}. ` +
      (isReturned ? "It was given back those it had, and what served before keeps serving. " : "") +
      "Mend the routes or what they lead to, then run `pulumi up`; " +
      `see what it says: ${formatCommand(engine, ["logs", "--tail=50", edge.container])}`,
  );
}

/** Returns what Traefik shows other than it must when its time is over. */
async function confirm(
  engine: Engine,
  edge: FileEdge,
  signal: AbortSignal,
): Promise<string | undefined> {
  const deadline = Date.now() + edge.deadlineSeconds * 1000;
  for (;;) {
    let difference = await findDifference(engine, edge, signal);
    if (difference === undefined) {
      await sleep(SETTLE_MILLISECONDS, undefined, { signal });
      // Its own health checks may have found by now that it does not reach them.
      difference = await findDifference(engine, edge, signal);
      if (difference === undefined) return undefined;
    }
    if (Date.now() > deadline) return difference;
    await sleep(POLL_MILLISECONDS, undefined, { signal });
  }
}

/** What Traefik shows other than it must; undefined when all is well. */
async function findDifference(
  engine: Engine,
  edge: FileEdge,
  signal: AbortSignal,
): Promise<string | undefined> {
  const service = edge.service.replace(/@.*/, "");
  try {
    const shown = await ask<ShownService>(
      engine,
      edge,
      `/api/http/services/${edge.service}`,
      signal,
    );
    const servers = listServers(shown);
    if (servers.join() !== edge.servers.toSorted().join()) {
      return `its service ${edge.service} has the servers ${servers.join(", ") || "(none)"}`;
    }
    const down = servers.filter((url) => (shown.serverStatus?.[url] ?? "UP") !== "UP");
    if (down.length > 0) {
      return `it does not reach ${down.join(", ")}`;
    }
    const routers = (
      await ask<ShownRouter[]>(engine, edge, "/api/http/routers?per_page=1000", signal)
    ).filter(
      (router) =>
        router.service === edge.service ||
        (router.service === service && `${service}@${router.provider}` === edge.service),
    );
    if (routers.length === 0) {
      return `no router of its leads to the service ${edge.service}`;
    }
    const broken = routers.find(({ status }) => status !== "enabled");
    return (
      broken &&
      `its router ${broken.name} is ${broken.status} (${(broken.error ?? []).join("; ") || "it does not say why"})`
    );
  } catch (error) {
    if (!(error instanceof DockerError)) throw error;
    return error.stderr.includes("404")
      ? `it has no service ${edge.service}`
      : `it does not answer (${lastLine(error.stderr)})`;
  }
}

async function ask<Answer>(
  engine: Engine,
  { container, apiUrl }: FileEdge,
  path: string,
  signal: AbortSignal,
): Promise<Answer> {
  const url = `${apiUrl}${path}`;
  const answer = await runOnEngine(
    engine,
    ["exec", container, "wget", "-q", "-T", "5", "-O", "-", url],
    { signal },
  );
  return JSON.parse(answer.toString("utf8")) as Answer;
}

function listServers({ loadBalancer }: ShownService): string[] {
  return (loadBalancer?.servers ?? []).map(({ url }) => url).sort();
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
