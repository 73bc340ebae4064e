import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";

import { rollout, type RolloutInputs } from "../../components/provider/docker/rollout.ts";
import { PartialFailure } from "../../components/provider/resource.ts";
import { docker, LAB_LABEL } from "../lab/docker.ts";
import { dockerEngine, labEnvironment } from "../lab/environment.ts";
import { traefikImage } from "../lab/traefik-image.ts";
import { operationContext } from "../support/operation-context.ts";
import { findFreePort } from "../support/ports.ts";
import { startLoad } from "../support/rolling-load.ts";

const lab = dockerEngine();
const SECOND = 1000;
const GENERATION_LABEL = "rollout-test.generation";
const SECRET = "a password that nobody must read";
const ROUTES = "/etc/traefik/dynamic/routes.yaml";

/** Answers as a proxy does, and ends its last requests when it is told to stop. */
const PROXY = `
const { existsSync, writeFileSync } = require("node:fs");
const { GENERATION, ADMISSION, DATABASE_URL } = process.env;
let underway = 0;
const server = require("node:http").createServer(async (request, response) => {
  underway += 1;
  response.on("close", () => (underway -= 1));
  const pause = (time) => new Promise((resolve) => setTimeout(resolve, time));
  if (request.url === "/ready") return response.writeHead(existsSync("/tmp/retired") ? 503 : 200).end();
  if (request.url === "/admit") {
    console.log("was asked to be admitted, with", DATABASE_URL);
    return response.writeHead(ADMISSION === "refused" ? 500 : 200).end();
  }
  if (request.url === "/stream") {
    for (let chunk = 0; chunk < 20; chunk++) { response.write(GENERATION + "\\n"); await pause(100); }
    return response.end("end\\n");
  }
  await pause(100);
  response.end(GENERATION);
});
server.listen(4000, () => writeFileSync("/tmp/ready", ""));
// Not when all connections are closed: one that never had a request would stay.
process.on("SIGTERM", () => { server.close(); setInterval(() => underway === 0 && process.exit(0), 50); });
`;
const ADMIT = `
fetch("http://127.0.0.1:4000/admit").then(({ status }) => {
  if (status !== 200) { console.error("answered " + status); process.exit(1); }
})`;
/** Generous for what succeeds on a busy machine; waited for to its end where it fails. */
const DEADLINE = 30;
const SHORT_DEADLINE = 2;

let prefix: string;
let network: string;
let port: number;

const traefik = () => `${prefix}-traefik`;
const nameProxies = (generation: string) => [1, 2].map((n) => `${prefix}-proxy-${generation}-${n}`);

async function startTraefik(...options: string[]): Promise<void> {
  port = await findFreePort();
  await docker([
    ...["run", "--detach", "--label", LAB_LABEL, "--name", traefik(), "--network", network],
    ...["--volume", `${prefix}:/etc/traefik/dynamic`, "--publish", `127.0.0.1:${port}:80`],
    ...(options.length > 0 ? ["--volume", "/var/run/docker.sock:/var/run/docker.sock:ro"] : []),
    ...[traefikImage.image, "--entrypoints.web.address=:80"],
    ...["--entrypoints.traefik.address=127.0.0.1:8080", "--api.insecure=true"],
    ...["--providers.providersthrottleduration=500ms", ...options],
    ...(options.length > 0 ? [] : ["--providers.file.directory=/etc/traefik/dynamic"]),
  ]);
}

async function startProxies(generation: string, ...options: string[]): Promise<void> {
  await Promise.all(
    nameProxies(generation).map((name) =>
      docker([
        ...["run", "--detach", "--init", "--label", LAB_LABEL, "--name", name],
        ...["--network", network, "--label", `rollout-test=${prefix}`],
        ...["--label", `${GENERATION_LABEL}=${generation}`],
        ...["--env", `GENERATION=${generation}`],
        ...["--env", `DATABASE_URL=postgresql://owner:${encodeURIComponent(SECRET)}@host/name`],
        ...["--health-interval=1s", "--health-retries=1", "--health-timeout=10s"],
        ...["--health-cmd", "test -e /tmp/ready && ! test -e /tmp/retired", ...options],
        ...["node:24-slim", "node", "-e", PROXY],
      ]),
    ),
  );
}

const writeRoutes = (servers: readonly string[], middlewares = "[]") => `http:
  routers:
    litellm: { rule: PathPrefix(\`/\`), entryPoints: [web], service: litellm, middlewares: ${middlewares} }
  services:
    litellm:
      loadBalancer:
        healthCheck: { path: /ready, interval: 1s, timeout: 5s }
        servers: [${servers.map((url) => `{ url: "${url}" }`).join(", ")}]
`;

function plan(
  generation: string,
  change: { content?: string; edge?: object; deadlineSeconds?: number } = {},
): RolloutInputs {
  const { deadlineSeconds = DEADLINE } = change;
  const proxies = nameProxies(generation);
  const servers = proxies.map((name) => `http://${name}:4000`);
  return rollout.inputs.parse({
    engine: {},
    generation,
    proxies,
    labels: { "rollout-test": prefix },
    generationLabel: GENERATION_LABEL,
    readyDeadlineSeconds: 60,
    stopGraceSeconds: 30,
    admission: { command: ["node", "-e", ADMIT], deadlineSeconds },
    edge: change.edge ?? {
      kind: "file",
      container: traefik(),
      path: ROUTES,
      content: change.content ?? writeRoutes(servers),
      service: "litellm@file",
      servers,
      apiUrl: "http://127.0.0.1:8080",
      deadlineSeconds,
    },
  });
}

const { context } = operationContext();
const create = (inputs: RolloutInputs) => rollout.create(context, inputs);
const update = (inputs: RolloutInputs, previousInputs: RolloutInputs, serving?: string[]) => {
  const outputs = { ...previousInputs, serving: serving ?? previousInputs.proxies };
  return rollout.update(context, "", { inputs, previousInputs, outputs });
};
const stateOf = (inputs: RolloutInputs) => ({
  inputs,
  outputs: { ...inputs, serving: inputs.proxies },
});
/** What is seen of a rollout that was put into the state. */
const observe = async (inputs: RolloutInputs) => {
  const found = await rollout.read(context, "", stateOf(inputs));
  if (found === undefined) throw new Error("it is not there");
  return found;
};
/** Message and outputs of a rollout that fails. */
const fail = async (attempt: Promise<unknown>) => {
  const error = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(PartialFailure);
  return error as PartialFailure;
};
/** Names and states of the proxies that are there. */
const listProxies = async () => {
  const format = "{{.Names}} {{.State}}";
  const filter = `label=rollout-test=${prefix}`;
  const lines = await docker(["ps", "--all", "--filter", filter, "--format", format]);
  return lines.trim().split("\n").sort();
};
const running = (generation: string) => nameProxies(generation).map((name) => `${name} running`);
const exited = (generation: string) => nameProxies(generation).map((name) => `${name} exited`);
const readRoutes = () => docker(["exec", traefik(), "cat", ROUTES]);
const countAdmissions = async (generation: string) => {
  const logs = await Promise.all(nameProxies(generation).map((name) => docker(["logs", name])));
  return logs.join("").split("was asked to be admitted").length - 1;
};
const exitCodes = async (generation: string) =>
  (await docker(["inspect", "--format={{.State.ExitCode}}", ...nameProxies(generation)])).trim();
const load = () =>
  startLoad({ port, clients: 6, streamClients: 3, path: "/", streamPath: "/stream" });

describe.skipIf(!lab.available)(`a rollout of proxies (${lab.reason})`, () => {
  beforeAll(() => {
    for (const [name, value] of Object.entries(labEnvironment())) vi.stubEnv(name, value);
  });

  afterAll(() => {
    vi.unstubAllEnvs();
  });

  beforeEach(async () => {
    prefix = `rollout-test-${await findFreePort()}`;
    network = prefix;
    await docker(["network", "create", "--label", LAB_LABEL, network]);
  });

  afterEach(async () => {
    const ours = await docker(["ps", "--all", "--quiet", "--filter", `name=^${prefix}`]);
    await docker(["rm", "--force", "--volumes", ...ours.split("\n").filter(Boolean)]);
    await docker(["network", "rm", network]);
    await docker(["volume", "rm", "--force", prefix]);
  });

  test("replaces a generation under load without a failed request or a cut stream", async () => {
    await Promise.all([startTraefik(), startProxies("a")]);
    const a = plan("a");
    expect(await create(a)).toEqual({
      id: `rollout-test=${prefix},${GENERATION_LABEL}`,
      outputs: { serving: a.proxies },
    });
    const underway = load();
    await startProxies("b");
    const b = plan("b");
    const before = underway.requests;
    expect(await update(b, a)).toEqual({ serving: b.proxies });
    expect(underway.requests).toBeGreaterThan(before);
    await sleep(0.5 * SECOND);
    const report = await underway.stop();
    expect(report.failures).toEqual([]);
    expect([...report.answers].sort()).toEqual(["a", "b"]);
    expect(report.streams).toBeGreaterThan(3);
    // Each of the old ones has ended its last requests, and by itself.
    expect(await listProxies()).toEqual([...exited("a"), ...running("b")]);
    expect(await exitCodes("a")).toBe("0\n0");
    expect(await readRoutes()).toBe(b.edge.kind === "file" && b.edge.content);
  });

  test("removes a generation that fails its check, while the old one serves on", async () => {
    await Promise.all([startTraefik(), startProxies("a")]);
    const a = plan("a");
    await create(a);
    const underway = load();
    await startProxies("b", "--env=ADMISSION=refused");
    const refused = await fail(update(plan("b", { deadlineSeconds: SHORT_DEADLINE }), a));
    expect(refused.outputs).toEqual({ serving: a.proxies });
    expect(refused.message).toMatch(
      new RegExp(
        `^${prefix}-proxy-b-[12] did not pass its check within 2 seconds: answered 500; its log ends:\n` +
          "(    was asked to be admitted, with \\[secret\\]\n)+" +
          "The new proxies, generation b, were removed. Those of generation a keep serving. " +
          "Mend the cause, then run: pulumi up$",
      ),
    );
    expect(await listProxies()).toEqual(running("a"));

    // One that ends is not waited for.
    const begin = Date.now();
    await startProxies("c", "--restart=on-failure:1", "--entrypoint=false");
    const ended = await fail(update(plan("c"), a));
    expect(Date.now() - begin).toBeLessThan(20 * SECOND);
    expect(ended.message).toMatch(/-proxy-c-[12] has ended \(exit code 1\)/);
    expect(await listProxies()).toEqual(running("a"));

    const missing = await fail(update(plan("d"), a));
    expect(missing.message).toContain(`${prefix}-proxy-d-1 is not there\nThe new proxies`);
    expect(missing.message).toMatch(/then run: pulumi up --refresh$/);

    const report = await underway.stop();
    expect(report.failures).toEqual([]);
    expect([...report.answers]).toEqual(["a"]);
    // What the user has mended takes up from there.
    await startProxies("e");
    expect(await update(plan("e"), plan("b"), a.proxies)).toEqual({ serving: plan("e").proxies });
    expect(await listProxies()).toEqual([...exited("a"), ...running("e")]);
  });

  test("goes on where it was killed or cancelled, without a failed request", async () => {
    await Promise.all([startTraefik(), startProxies("a")]);
    const a = plan("a");
    await create(a);
    const underway = load();
    await startProxies("b");
    const b = plan("b");
    for (const step of ["checking", "switching"]) {
      await killAt(step, b);
      expect(await listProxies()).toEqual([...running("a"), ...running("b")]);
    }
    const cancellation = new AbortController();
    const cancelled = operationContext(cancellation.signal).context;
    const log = (message: string) => {
      if (message.startsWith("draining")) cancellation.abort(new Error("cancelled"));
    };
    const attempt = await fail(rollout.create({ ...cancelled, log }, b));
    expect(attempt.message).toBe("cancelled");
    expect(attempt.outputs).toEqual({ serving: b.proxies });
    expect((await create(b)).outputs).toEqual({ serving: b.proxies });
    const report = await underway.stop();
    expect(report.failures).toEqual([]);
    expect(await listProxies()).toEqual([...exited("a"), ...running("b")]);
    expect(await exitCodes("a")).toBe("0\n0");
  });

  test("sees edited routes and a missing proxy, and changes routes without asking the proxies", async () => {
    await Promise.all([startTraefik(), startProxies("a")]);
    const a = plan("a");
    await create(a);
    expect(await observe(a)).toEqual({
      inputs: a,
      outputs: { serving: a.proxies },
    });
    expect(await countAdmissions("a")).toBe(2);

    await docker(["exec", traefik(), "sh", "-c", `echo '# edited' >> ${ROUTES}`]);
    const content = a.edge.kind === "file" ? a.edge.content : "";
    expect((await observe(a)).inputs.edge).toEqual({
      ...a.edge,
      content: `${content}# edited\n`,
    });
    await update(a, a);
    expect(await readRoutes()).toBe(content);
    const changed = plan("a", { content: content.replace("/`", "/v1`") });
    expect(await update(changed, a)).toEqual({ serving: a.proxies });
    expect(await readRoutes()).toContain("/v1`");
    expect(await countAdmissions("a")).toBe(2);
    await update({ ...changed, revision: { key: "new" } }, changed);
    expect(await countAdmissions("a")).toBe(4);

    const [first = "", second = ""] = a.proxies;
    await docker(["stop", "--time=5", first]);
    const seen = await observe(a);
    expect(seen.outputs).toEqual({ serving: [second] });
    expect(rollout.drift({ ...seen.inputs, ...seen.outputs })).toEqual(["serving"]);
    // It is part of what serves: it is not removed.
    const { message } = await fail(update(a, a, [second]));
    expect(message).toContain(`${first} has ended (exit code 0)`);
    expect(message).toMatch(new RegExp(`then run \`pulumi up\`: docker start ${first}$`));
    await docker(["start", first]);
    expect(await update(a, a, [second])).toEqual({ serving: a.proxies });
    expect(rollout.drift({ ...a, serving: a.proxies })).toEqual([]);
  });

  test("gives Traefik its former routes back when it does not take the new ones", async () => {
    await Promise.all([startTraefik(), startProxies("a")]);
    const a = plan("a");
    await create(a);
    await startProxies("b");
    const former = await readRoutes();
    const servers = plan("b").proxies.map((name) => `http://${name}:4000`);
    const underway = load();
    const unknown = plan("b", {
      content: writeRoutes(servers, "[none]"),
      deadlineSeconds: SHORT_DEADLINE,
    });
    const refused = await fail(update(unknown, a));
    expect(refused.message).toContain(
      `${traefik()} did not take the routes within 2 seconds: its router litellm@file is disabled (middleware "none@file" does not exist). ` +
        "It was given back those it had, and what served before keeps serving.",
    );
    expect(refused.outputs).toEqual({ serving: a.proxies });
    expect(await readRoutes()).toBe(former);
    await expect
      .poll(() => fetch(`http://127.0.0.1:${port}/`).then((answer) => answer.text()), {
        timeout: 10 * SECOND,
      })
      .toBe("a");
    await underway.stop();
    const broken = await fail(
      update(plan("b", { content: "http: [", deadlineSeconds: SHORT_DEADLINE }), a),
    );
    expect(broken.message).toContain(
      `its service litellm@file has the servers http://${prefix}-proxy-a-1:4000, http://${prefix}-proxy-a-2:4000. It was given back`,
    );
    // Nobody has removed what may serve yet.
    expect(await listProxies()).toEqual([...running("a"), ...running("b")]);
    expect(await update(plan("b"), a)).toEqual({ serving: plan("b").proxies });
  });

  test("says how to bring Traefik back, and is deleted with it and without", async () => {
    await Promise.all([startTraefik(), startProxies("a")]);
    const a = plan("a");
    await create(a);
    await docker(["stop", "--time=5", traefik()]);
    expect((await fail(create(a))).message).toMatch(
      new RegExp(`${traefik()}, .*does not answer .*; start it: docker start ${traefik()}$`),
    );
    await docker(["start", traefik()]);
    vi.resetModules();
    const later = await import("../../components/provider/docker/rollout.ts");
    const remove = () => later.rollout.delete(context, "", stateOf(a));
    await remove();
    expect(await docker(["exec", traefik(), "ls", "/etc/traefik/dynamic"])).toBe("");
    await remove();
    await docker(["rm", "--force", traefik()]);
    await remove();
    expect((await fail(create(a))).message).toBe(
      `${traefik()}, which routes to the proxies, is not there; let Pulumi see that, and make it again: pulumi up --refresh`,
    );
    expect((await observe(a)).inputs.edge).toMatchObject({ content: "" });
  });

  test("goes by Docker's health with a Traefik that finds the proxies by their labels", async () => {
    await startTraefik(
      "--providers.docker=true",
      "--providers.docker.exposedbydefault=false",
      `--providers.docker.constraints=Label(\`rollout-test\`,\`${prefix}\`)`,
    );
    const edge = {
      kind: "labels",
      retireCommand: ["touch", "/tmp/retired"],
      settleSeconds: 2,
    };
    const labels = Object.entries({
      "traefik.enable": "true",
      "traefik.http.routers.litellm.rule": "PathPrefix(`/`)",
      "traefik.http.services.litellm.loadbalancer.server.port": "4000",
    }).flatMap(([name, value]) => ["--label", `${name}=${value}`]);
    await startProxies("a", ...labels);
    const a = plan("a", { edge });
    await create(a);
    await expect
      .poll(() => fetch(`http://127.0.0.1:${port}/`).then((answer) => answer.text()), {
        timeout: 20 * SECOND,
      })
      .toBe("a");
    const underway = load();
    await startProxies("b", ...labels);
    const b = plan("b", { edge });
    expect(await update(b, a)).toEqual({ serving: b.proxies });
    const report = await underway.stop();
    expect(report.failures).toEqual([]);
    expect([...report.answers].sort()).toEqual(["a", "b"]);
    expect(await listProxies()).toEqual([...exited("a"), ...running("b")]);
    await rollout.delete(context, "", stateOf(b));
  });
});

/** Runs a rollout in a process of its own, and kills it as soon as it says that it has come to a step. */
async function killAt(step: string, inputs: RolloutInputs): Promise<void> {
  const script = `
    const { rollout } = await import("./components/provider/docker/rollout.ts");
    const log = (message) => { if (message.startsWith(process.argv[2])) process.kill(process.pid, "SIGKILL"); };
    await rollout.create({ urn: "", signal: new AbortController().signal, log }, JSON.parse(process.argv[1]));`;
  const child = spawn(
    process.execPath,
    ["--input-type=module", "--eval", script, JSON.stringify(inputs), step],
    { stdio: ["ignore", "inherit", "inherit"] },
  );
  const signal = await new Promise((resolve) => {
    child.once("exit", (_code, killer) => {
      resolve(killer);
    });
  });
  expect(signal).toBe("SIGKILL");
}
