import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { renderGatewaySocket } from "../../templates/gateway-socket.ts";
import { type GatewayUnitOptions, renderGatewayUnit } from "../../templates/gateway-unit.ts";
import { renderSystemdEnvironmentFile } from "../../templates/systemd-environment-file.ts";
import { formatCommand, isText, renderUnit } from "../../templates/systemd-text.ts";
import { renderTimedUnit, renderTimerUnit } from "../../templates/timer-unit.ts";
import { docker } from "../lab/docker.ts";
import { labEnvironment } from "../lab/environment.ts";
import { litellmImage } from "../lab/litellm-image.ts";
import {
  createNetwork,
  labMachines,
  type LabNetwork,
  type Machine,
  startMachine,
} from "../lab/machine.ts";
import { startUpstream, type Upstream } from "../lab/upstream/server.ts";

const MINUTE = 60_000;
const PORT = 4000;
const KEY = "sk-gateway-unit-0123456789abcdef";
const GRACE_SECONDS = 20;
const PYTHON = "/opt/litellm/.venv/bin/python";
const SERVICE = "litellm-gateway.service";
const SOCKET = "litellm-gateway.socket";
const available = labMachines();
const name = `gateway-unit-${process.pid}`;

const options: GatewayUnitOptions = {
  description: "LiteLLM at 100 %",
  user: "litellm",
  group: "litellm",
  python: PYTHON,
  scripts: "/opt/litellm/bin",
  config: "/etc/litellm/litellm-config.yaml",
  environmentFile: "/etc/litellm/litellm.env",
  workingDirectory: "/opt/litellm",
  socket: SOCKET,
  workers: 2,
  stopGraceSeconds: GRACE_SECONDS,
  readWritePaths: ["/var/log/litellm", "/var/lib/litellm"],
  usesNode: false,
};

describe.skipIf(!available.available)(`the gateway's units ${available.reason}`, () => {
  let network: LabNetwork | undefined;
  let machine: Machine;
  let upstream: Upstream | undefined;

  beforeAll(async () => {
    network = await createNetwork(name);
    machine = await startMachine(name, { network, address: network.address(18) });
    upstream = await startUpstream({ host: network.address(1) });
    await machine.script(`
      useradd --system --home-dir /var/lib/litellm --shell /usr/sbin/nologin litellm
      install -d -m 755 /opt/litellm /opt/litellm/bin
      install -d -m 750 -o root -g litellm /etc/litellm
      install -d -m 750 -o litellm -g litellm /var/log/litellm /var/lib/litellm
    `);
    await copyLitellm(machine);
    for (const script of ["serve-litellm.py", "reload-litellm.py", "wait-for-database.py"]) {
      await write(`/opt/litellm/bin/${script}`, readFileSync(`templates/${script}`, "utf8"));
    }
    const variables = { LITELLM_MASTER_KEY: KEY, LITELLM_LOCAL_MODEL_COST_MAP: "True" };
    await write("/etc/litellm/litellm.env", renderSystemdEnvironmentFile(variables), "640");
    await configure(["openai/gpt-pause-50"]);
    const unit = { description: "the port", address: "0.0.0.0", port: PORT, service: SERVICE };
    await write(`/etc/systemd/system/${SOCKET}`, renderGatewaySocket(unit));
    await write(`/etc/systemd/system/${SERVICE}`, renderGatewayUnit(options));
    await machine.script("systemctl daemon-reload");
  });

  afterAll(async () => {
    await upstream?.close();
    await machine.remove();
    await network?.remove();
  });

  async function write(path: string, text: string, mode = "644"): Promise<void> {
    await machine.execute(
      ["sh", "-euc", `cat > "$1"; chown root:litellm "$1"; chmod ${mode} "$1"`, "sh", path],
      text,
    );
  }

  /** Models that the double answers, each under its own name. */
  async function configure(models: readonly string[]): Promise<void> {
    const lines = models.map(
      (model) =>
        `  - {model_name: "${model}", litellm_params: {model: "${model}", api_base: "${upstream?.url ?? ""}/v1", api_key: "x"}}`,
    );
    const text = ["model_list:", ...lines, "general_settings:"];
    text.push('  master_key: "os.environ/LITELLM_MASTER_KEY"', "");
    await write("/etc/litellm/litellm-config.yaml", text.join("\n"), "640");
  }

  async function show(property: string): Promise<string> {
    return (await machine.script(`systemctl show -P ${property} ${SERVICE}`)).trim();
  }

  function chat(model: string, content: string, stream = false): Promise<Response> {
    return fetch(`http://${machine.address}:${PORT}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
      body: JSON.stringify({ model, stream, messages: [{ role: "user", content }] }),
      // Whoever asks while the service starts waits for as long as that takes.
      signal: AbortSignal.timeout(4 * MINUTE),
    });
  }

  /** Chats without end from several clients, each of which tries once more what has failed. */
  function startClients(count: number) {
    let [isOver, answered] = [false, 0];
    const failures: string[] = [];
    const converse = async (client: number) => {
      for (let round = 0; !isOver; round += 1) {
        const ask = async () => {
          const response = await chat("openai/gpt-pause-50", `${client} ${round}`);
          const text = await response.text();
          if (!text.includes(`echo: ${client} ${round}`)) throw new Error(text);
        };
        await ask()
          .catch(ask)
          .then(() => (answered += 1))
          .catch((error: unknown) => failures.push(String(error)));
      }
    };
    const clients = Promise.all(Array.from({ length: count }, (_, client) => converse(client)));
    return {
      async stop() {
        isOver = true;
        await clients;
        return { answered, failures };
      },
    };
  }

  /** A stream that has begun, and takes so many seconds. */
  async function startStream(seconds: number): Promise<() => Promise<string>> {
    const words = Array.from({ length: seconds * 20 }, (_, index) => `w${index}`);
    const response = await chat("openai/gpt-pause-50", words.join(" "), true);
    expect(response.status).toBe(200);
    const text = response.text();
    text.catch(() => undefined);
    return () => text;
  }

  it("are what systemd understands, and rated 2.0 at most", async () => {
    const database = { host: "10.0.0.1", port: 5432, database: "d", user: "u", isRequired: true };
    const units = {
      "node.service": renderGatewayUnit({
        ...options,
        usesNode: true,
        pythonPath: "/opt/litellm/request log",
        memoryMegabytes: 2048,
        waitForDatabase: database,
      }),
      "retention.service": renderTimedUnit({
        ...options,
        command: [PYTHON, "-m", "litellm_request_log", "prune"],
      }),
      "retention.timer": renderTimerUnit({
        description: "retention",
        service: "retention.service",
      }),
    };
    for (const [file, text] of Object.entries(units)) {
      await write(`/etc/systemd/system/${file}`, text);
    }
    const files = [SERVICE, SOCKET, ...Object.keys(units)];
    const paths = files.map((file) => `/etc/systemd/system/${file}`);
    expect(await machine.execute(["systemd-analyze", "verify", ...paths])).toEqual({
      code: 0,
      stdout: "",
      stderr: "",
    });
    for (const service of paths.filter((path) => path.endsWith(".service"))) {
      const rate = ["systemd-analyze", "security", "--offline=yes", "--threshold=20", service];
      const { code, stdout } = await machine.execute([...rate, "--no-pager"]);
      expect({ service, code, stdout: stdout.slice(-100) }).toMatchObject({ code: 0 });
    }
  });

  it("pass values of environment files and arguments on, byte for byte", async () => {
    const text = fc
      .string({ unit: "binary" })
      .filter((value) => !value.includes("\0") && isText(value));
    const edges = [
      "",
      " a ",
      "a\\",
      "\\",
      '"',
      "'",
      "$HOME",
      "${HOME}",
      "`id`",
      "%n",
      "#",
      "a\n b",
    ];
    edges.push("\n", "a\r\nb", "\t", "\\n", "\\$", "=", "ü€𝄞", "\u0001\u007f", "a;b", "\\\n");
    const values = [...edges, ...fc.sample(text, 150)];
    const variables = Object.fromEntries(values.map((value, index) => [`V${index}`, value]));
    await write("/etc/litellm/odd.env", renderSystemdEnvironmentFile(variables, ["odd"]));
    const words = fc.sample(text, 30).concat(edges);
    const unit = renderUnit({
      Service: {
        Type: "oneshot",
        EnvironmentFile: "/etc/litellm/odd.env",
        ExecStart: [
          formatCommand(["/bin/sh", "-c", "env -0 > /run/odd-variables"]),
          formatCommand(["/bin/sh", "-c", 'printf "%s\\0" "$@" > /run/odd-words', "sh", ...words]),
        ],
      },
    });
    await write("/etc/systemd/system/odd.service", unit);
    await machine.script("systemctl daemon-reload; systemctl start odd.service");

    const found = (await machine.script("cat /run/odd-variables")).split("\0");
    const own = found.filter((line) => /^V\d+=/.test(line));
    expect(own.sort()).toEqual(values.map((value, index) => `V${index}=${value}`).sort());
    expect((await machine.script("cat /run/odd-words")).split("\0").slice(0, -1)).toEqual(words);
  });

  it("start and serve, without a secret that others see", { timeout: 5 * MINUTE }, async () => {
    await machine.script(`systemctl start ${SOCKET} ${SERVICE}`);
    expect(await show("ActiveState")).toBe("active");
    expect(await show("StatusText")).toBe("2 workers, attempt 1 serving");
    const answer = await chat("openai/gpt-pause-50", "hello");
    expect(await answer.text()).toContain("echo: hello");
    expect(await machine.script("ps axww -o args")).not.toContain(KEY);
    const { stdout } = await machine.execute(["systemctl", "show", SERVICE]);
    expect(stdout).not.toContain(KEY);
  });

  it("reload without a request lost or a stream cut", { timeout: 5 * MINUTE }, async () => {
    const mainProcess = await show("MainPID");
    const clients = startClients(3);
    const stream = await startStream(6);
    await configure(["openai/gpt-pause-50", "openai/gpt-second"]);
    await machine.script(`systemctl reload ${SERVICE}`);
    const answer = await chat("openai/gpt-second", "hello");
    expect(await answer.text()).toContain("echo: hello");
    expect(await stream()).toContain("data: [DONE]");
    const { answered, failures } = await clients.stop();
    expect(failures).toEqual([]);
    expect(answered).toBeGreaterThan(5);
    expect(await show("MainPID")).toBe(mainProcess);
  });

  it("go on with the former settings when new ones fail", { timeout: 5 * MINUTE }, async () => {
    await write("/etc/litellm/litellm-config.yaml", "model_list: [", "640");
    const { code } = await machine.execute(["systemctl", "reload", SERVICE]);
    expect(code).not.toBe(0);
    expect(await show("ActiveState")).toBe("active");
    const journal = await machine.script(`journalctl --unit=${SERVICE} --output=cat --no-pager`);
    expect(journal).toContain("the old ones go on with the former settings");
    expect((await chat("openai/gpt-second", "hello")).status).toBe(200);

    await configure(["openai/gpt-pause-50"]);
    await machine.script(`systemctl reload ${SERVICE}`);
    expect((await chat("openai/gpt-second", "hello")).status).toBe(400);
  });

  it("restart without a request refused", { timeout: 5 * MINUTE }, async () => {
    const mainProcess = await show("MainPID");
    const clients = startClients(3);
    const stream = await startStream(3);
    await machine.script(`systemctl restart ${SERVICE}`);
    expect(await stream()).toContain("data: [DONE]");
    expect((await chat("openai/gpt-pause-50", "hello")).status).toBe(200);
    expect((await clients.stop()).failures).toEqual([]);
    expect(await show("MainPID")).not.toBe(mainProcess);
  });

  it("come back after kill -9", { timeout: 5 * MINUTE }, async () => {
    await machine.script(`kill -9 ${await show("MainPID")}`);
    // Until then the workers may still answer, which end after their master.
    await expect.poll(() => show("NRestarts"), { timeout: MINUTE }).toBe("1");
    // A connection that was open is gone; a new one waits in the socket's queue.
    const ask = () => chat("openai/gpt-pause-50", "hello");
    expect((await ask().catch(ask)).status).toBe(200);
  });

  it("stop when the requests under way are answered", { timeout: 2 * MINUTE }, async () => {
    const stream = await startStream(4);
    await sleep(500);
    await machine.script(`systemctl stop ${SOCKET} ${SERVICE}`);
    expect(await stream()).toContain("data: [DONE]");
    expect(await show("Result")).toBe("success");
    await expect(chat("openai/gpt-pause-50", "hello")).rejects.toThrow();
  });
});

/** The locked LiteLLM, out of its image: made for the same Debian. */
async function copyLitellm(machine: Machine): Promise<void> {
  const source = `${machine.name}-source`;
  await docker(["create", `--name=${source}`, litellmImage.image]);
  try {
    await new Promise<void>((succeed, fail) => {
      const script = `docker cp ${source}:/app/.venv - | docker cp - ${machine.name}:/opt/litellm/`;
      const environment = { ...process.env, ...labEnvironment() };
      const child = spawn("sh", ["-c", script], { env: environment, stdio: "ignore" });
      child.once("error", fail);
      child.once("close", (code) => {
        if (code === 0) succeed();
        else fail(new Error("LiteLLM could not be copied from its image: run npm run lab"));
      });
    });
  } finally {
    await docker(["rm", source]);
  }
}
