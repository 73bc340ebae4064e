import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { findPortHolder, listGroup } from "../../components/provider/host/process-table.ts";
import { listCommandLines, watchCommandLines } from "../support/command-lines.ts";
import { GatewayProject } from "../support/gateway-project.ts";
import { type CommandResult, nameOf, type PulumiProject } from "../support/pulumi-project.ts";

/** A provider's key that must appear nowhere but in the proxy's environment. */
const PROVIDER_KEY = "sk-proj-provider-key-of-this-test-0123456789";

const OTHER_MASTER_KEY = "sk-other-master-key-of-this-test-0123456789";
const TWO_MODELS = [
  { name: "hello", provider: "mock", response: "Hello again." },
  { name: "gpt", provider: "openai", model: "gpt-5" },
];
const ACCESS = { access: { teams: { search: {} }, keys: { bot: { team: "search" } } } };

let gateway: GatewayProject;
let pulumi: PulumiProject;
/** Everything the CLI printed. */
const printed: string[] = [];
/** Every command line that was seen while a deployment ran. */
const commandLines = new Set<string>();

const up = async (): Promise<CommandResult> => {
  const result = await watchCommandLines(commandLines, () => pulumi.up());
  printed.push(result.output);
  return result;
};
const changedNames = async (): Promise<string[]> =>
  (await pulumi.preview()).map((step) => `${step.op} ${nameOf(step)}`).sort();
const proxyPid = (): number => findPortHolder(gateway.proxyPort)?.pid ?? 0;

beforeAll(async () => {
  gateway = await GatewayProject.create();
  pulumi = gateway.pulumi;
});

afterAll(async () => {
  await gateway.remove();
});

describe("a local gateway", () => {
  test("starts without a database, and is checked by using it", async () => {
    gateway.configure({ database: { kind: "none" } });
    const { output } = await up();
    expect(output).toContain("✓ proxy is ready, without a database");
    expect(output).toContain('400 "No connected db."');
    expect(await gateway.chat("hello")).toBe("Hello.");
  });

  test("gets a database later and keeps its master key and URL", async () => {
    const before = await pulumi.readOutputs();
    gateway.configure();
    const { output } = await up();
    const after = await pulumi.readOutputs();
    expect(after["masterKey"]).toBe(before["masterKey"]);
    expect(after["proxyUrl"]).toBe(before["proxyUrl"]);
    expect(after["databaseUrl"]).toMatch(/^postgresql:\/\/litellm:/);
    expect(output).toContain("✓ proxy is ready, database connected");
    expect(output).toContain("✓ request is in the spend log");
    expect(output).not.toContain("✗");
  });

  test("tells how to use it", async () => {
    const url = `http://127.0.0.1:${gateway.proxyPort}`;
    const outputs = await pulumi.readOutputs();
    expect(outputs).toMatchObject({
      proxyUrl: url,
      uiUrl: `${url}/ui`,
      openaiBaseUrl: `${url}/v1`,
      clientEnvironment: {
        LITELLM_PROXY_URL: url,
        LITELLM_PROXY_API_KEY: outputs["masterKey"],
      },
      logs: { proxy: ".stacks/test/litellm.log", database: ".stacks/test/postgresql.log" },
      verified: "12 passed",
    });
    for (const log of Object.values(outputs["logs"] as Record<string, string>)) {
      expect(existsSync(join(pulumi.folder, log))).toBe(true);
    }
  });

  test("admits its user to the admin interface", async () => {
    const { uiUrl, uiUsername, uiPassword, proxyUrl } = (await pulumi.readOutputs()) as Record<
      string,
      string
    >;
    expect((await fetch(uiUrl ?? "")).status).toBe(200);
    const login = (password: string) =>
      fetch(`${proxyUrl ?? ""}/login`, {
        method: "POST",
        redirect: "manual",
        body: new URLSearchParams({ username: uiUsername ?? "", password }),
      });
    expect((await login(uiPassword ?? "")).status).toBe(303);
    expect((await login("wrong")).status).toBe(401);
  });

  test("does not change when nothing has changed", async () => {
    const pid = proxyPid();
    await pulumi.succeed("preview", "--expect-no-changes");
    const { output } = await up();
    expect(output).toMatch(/Resources:\n\s+\d+ unchanged\n/);
    await pulumi.refresh("--expect-no-changes");
    expect(proxyPid()).toBe(pid);
  });

  test("changes only config and proxy when a model is added", async () => {
    await pulumi.setConfig("litellm-gateway:openaiApiKey", PROVIDER_KEY, { secret: true });
    gateway.configure({ models: TWO_MODELS });
    const text = await pulumi.previewText();
    printed.push(text);
    expect(await changedNames()).toEqual([
      "update gateway-proxy-config",
      "update gateway-proxy-process",
    ]);
    expect(text).toContain("gpt-5");
    await up();
    expect(await gateway.chat("hello")).toBe("Hello again.");
    const { json } = await gateway.request("/v1/models");
    expect((json as { data: { id: string }[] }).data.map(({ id }) => id).sort()).toEqual([
      "gpt",
      "hello",
    ]);
  });

  test("manages its keys in the same up, and with another master key touches none", async () => {
    gateway.configure({ ...ACCESS, models: TWO_MODELS });
    await up();
    const { virtualKeys, masterKey } = (await pulumi.readOutputs()) as {
      virtualKeys: Record<string, string>;
      masterKey: string;
    };
    const { bot = "" } = virtualKeys;
    const listModels = async (key: string): Promise<number> => {
      const headers = { authorization: `Bearer ${key}` };
      return (await fetch(`http://127.0.0.1:${gateway.proxyPort}/v1/models`, { headers })).status;
    };
    expect(await listModels(bot)).toBe(200);
    await pulumi.setConfig("litellm-gateway:masterKey", OTHER_MASTER_KEY, { secret: true });
    expect(await changedNames()).toEqual([
      "delete gateway-secrets-master-key",
      "update access-provider",
      "update gateway-proxy-process",
    ]);
    await up();
    expect(await pulumi.readOutputs()).toMatchObject({ virtualKeys, masterKey: OTHER_MASTER_KEY });
    expect(await listModels(bot)).toBe(200);
    expect(await listModels(masterKey)).toBe(401);
    expect(await changedNames()).toEqual([]);
  });

  test("that died is seen by refresh and mended by up", async () => {
    process.kill(proxyPid(), "SIGKILL");
    await expect.poll(() => findPortHolder(gateway.proxyPort)).toBeUndefined();
    const { output } = await pulumi.refresh();
    expect(output).toMatch(/gateway-proxy-process updated .*\[diff: ~running\]/);
    expect(await changedNames()).toEqual(["update gateway-proxy-process"]);
    await up();
    expect(await gateway.chat("hello")).toBe("Hello again.");
  });

  test("whose database server died is mended by up alone", async () => {
    process.kill(findPortHolder(gateway.databasePort)?.pid ?? 0, "SIGKILL");
    await expect.poll(() => findPortHolder(gateway.databasePort)).toBeUndefined();
    const { output } = await up();
    expect(output).toContain("gateway-database-server updated");
    expect(output).toContain("✓ database accepts the proxy's credentials");
  });

  test("shows what was edited by hand, and mends it", async () => {
    const file = join(pulumi.folder, ".stacks/test/litellm-config.yaml");
    const original = readFileSync(file, "utf8");
    writeFileSync(file, `${original}# edited by hand\n`);
    await pulumi.refresh();
    expect(await changedNames()).toEqual(["update gateway-proxy-config"]);
    await up();
    expect(readFileSync(file, "utf8")).toBe(original);
  });
});

describe("secrets", () => {
  test("are in no state, file, log, preview or process list in clear", async () => {
    const outputs = await pulumi.readOutputs();
    const databasePassword = new URL(String(outputs["databaseUrl"])).password;
    const environment = readFileSync(`/proc/${proxyPid()}/environ`, "utf8");
    const saltKey = /LITELLM_SALT_KEY=([^\0]+)/.exec(environment)?.[1] ?? "";
    const secrets = {
      masterKey: String(outputs["masterKey"]),
      uiPassword: String(outputs["uiPassword"]),
      databasePassword,
      saltKey,
      providerKey: PROVIDER_KEY,
      virtualKey: (outputs["virtualKeys"] as Record<string, string>)["bot"] ?? "",
    };
    printed.push(await pulumi.previewText("--refresh"));
    const state = (await pulumi.succeed("stack", "export")).stdout;
    const processes = [...commandLines].join("\n");
    expect(processes).toContain("start-litellm.py");
    for (const [name, secret] of Object.entries(secrets)) {
      expect(secret.length, name).toBeGreaterThan(20);
      const holders = [
        ...(state.includes(secret) ? ["state"] : []),
        ...(printed.join("\n").includes(secret) ? ["the CLI's output"] : []),
        ...(processes.includes(secret) ? ["process list"] : []),
        ...gateway
          .listFiles()
          .filter((file) => !file.includes("/python-") && statSync(file).isFile())
          .filter((file) => readFileSync(file).includes(secret)),
      ];
      expect(holders, name).toEqual([]);
    }
    // The test itself could not see a secret otherwise.
    expect(environment).toContain(PROVIDER_KEY);
  });
});

describe("a mistake ends in a clear error before anything changes", () => {
  const listDeployed = async (): Promise<unknown[]> =>
    (await pulumi.exportState()).map(({ urn, id, outputs }) => [urn, id, outputs?.["pid"]]);

  const failure = async (): Promise<string> => {
    const before = await listDeployed();
    const { exitCode, output } = await pulumi.run("up", "--yes");
    expect(exitCode).not.toBe(0);
    expect(output).not.toMatch(/^\s+at .+:\d+:\d+\)?$/m);
    expect(await listDeployed()).toEqual(before);
    return output;
  };

  test("wrong settings, all at once", async () => {
    gateway.configure({ models: [], modles: [], requestTimeoutSeconds: "soon" });
    const output = await failure();
    expect(output).toContain("invalid settings: 3 errors");
    expect(output).toContain('modles is no setting, did you mean "models"?');
  });

  test("a model whose provider's key is missing", async () => {
    gateway.configure({
      models: [{ name: "claude", provider: "anthropic", model: "claude-sonnet-4-5" }],
    });
    expect(await failure()).toContain("pulumi config set --secret anthropicApiKey");
  });

  test("a port that is taken", async () => {
    const holder = createServer();
    const port = await new Promise<number>((resolve) => {
      holder.listen(0, "127.0.0.1", () => {
        resolve((holder.address() as { port: number }).port);
      });
    });
    gateway.configure({ deployment: { topology: "local", proxyPort: port, protect: false } });
    const output = await failure();
    holder.close();
    expect(output).toContain(`port ${port} is taken by process ${process.pid} (`);
    expect(output).toContain(`pulumi config set --path deployment.proxyPort ${String(port + 1)}`);
  });

  test("a wrong passphrase", async () => {
    const { exitCode, output } = await new Promise<CommandResult>((resolve, reject) => {
      const environment = pulumi.environment as NodeJS.ProcessEnv;
      const right = environment["PULUMI_CONFIG_PASSPHRASE"];
      environment["PULUMI_CONFIG_PASSPHRASE"] = "wrong";
      pulumi.run("up", "--yes", "--skip-preview").then(resolve, reject);
      environment["PULUMI_CONFIG_PASSPHRASE"] = right;
    });
    expect(exitCode).not.toBe(0);
    expect(output).toContain("incorrect passphrase");
  });

  test("another salt key than the one in use", async () => {
    await pulumi.setConfig("litellm-gateway:saltKey", "another-salt-key-0123456789", {
      secret: true,
    });
    gateway.configure();
    const output = await failure();
    expect(output).toContain("the salt key cannot be changed");
    expect(output).not.toContain("another-salt-key");
    await pulumi.succeed("config", "rm", "litellm-gateway:saltKey");
  });
});

describe("an end", () => {
  const models = [{ name: "hello", provider: "mock", response: "Resumed." }];

  test("in the middle of an up is resumed by the next", async () => {
    gateway.configure({ models });
    const { child, finished } = pulumi.launch("up", "--yes", "--skip-preview");
    await expect
      .poll(() => findPortHolder(gateway.proxyPort), { timeout: 60_000, interval: 50 })
      .toBeUndefined();
    child.kill("SIGKILL");
    await finished;
    // A killed CLI cannot take back its lock.
    await pulumi.succeed("cancel", "--yes");
    await up();
    expect(await gateway.chat("hello")).toBe("Resumed.");
    expect(await changedNames()).toEqual([]);
  });

  test("of what is protected is refused", async () => {
    const deployment = { topology: "local", proxyPort: gateway.proxyPort };
    gateway.configure({ deployment: { ...deployment, protect: true }, models });
    await up();
    const { exitCode, output } = await pulumi.run("destroy", "--yes");
    expect(exitCode).not.toBe(0);
    expect(output).toMatch(/cannot be deleted.*protected/s);
    expect(await gateway.chat("hello")).toBe("Resumed.");
    gateway.configure({ models });
    await up();
  });

  test("of the stack leaves no process, port or file", async () => {
    const pids = [proxyPid(), findPortHolder(gateway.databasePort)?.pid ?? 0];
    expect(pids.every((pid) => pid > 0)).toBe(true);
    await pulumi.destroy();
    expect(gateway.listFiles()).toEqual([]);
    expect(findPortHolder(gateway.proxyPort)).toBeUndefined();
    expect(findPortHolder(gateway.databasePort)).toBeUndefined();
    expect(pids.flatMap((pid) => listGroup(pid))).toEqual([]);
    expect(listCommandLines().filter((line) => line.includes(pulumi.folder))).toEqual([]);
  });
});
