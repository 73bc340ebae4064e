import { describe, expect, test } from "vitest";

import { parseSettings } from "../../../stacks/settings/settings.ts";
import { listWarnings } from "../../../stacks/settings/warnings.ts";
import { mockModels as models, rawConfig, refusal } from "./raw-config.ts";

const url = "https://litellm.example.com";
const deployment = { topology: "existing", url };
const secret = { masterKey: "sk-the-key-of-its-admin" };

describe("settings of a gateway that is run elsewhere", () => {
  test("its URL and its master key are enough", () => {
    const settings = parseSettings(rawConfig({ deployment }, secret));
    expect(settings).toMatchObject({ deployment, models: [], database: { kind: "none" } });
    expect(settings.secretNames).toEqual(["masterKey"]);
  });

  test("a master key that was chosen there may be any", () => {
    expect(() => parseSettings(rawConfig({ deployment }, { masterKey: "short" }))).not.toThrow();
    expect(refusal({ deployment }, { masterKey: " sk-1 " })).toContain("white space (not shown)");
  });

  test("a machine, an address and an authority", () => {
    const machine = { address: "192.168.10.18", ssh: { user: "deploy" } };
    const reached = { ...deployment, certificateAuthorityFile: "ca.pem", machine };
    expect(parseSettings(rawConfig({ deployment: reached }, secret)).deployment).toMatchObject({
      certificateAuthorityFile: "ca.pem",
      machine: { ...machine, ssh: { user: "deploy", options: [] } },
    });
    const near = { ...deployment, url: `${url}/litellm`, connectAddress: "192.168.10.18" };
    expect(parseSettings(rawConfig({ deployment: near }, secret)).deployment).toEqual(near);
  });

  test("without a master key", () => {
    expect(refusal({ deployment })).toMatchInlineSnapshot(`
      "invalid settings: 1 error

      masterKey is required with topology "existing": the master key of the gateway at https://litellm.example.com
        pulumi config set --secret masterKey"
    `);
  });

  test("without a URL, and nothing said of models", () => {
    expect(refusal({ deployment: { topology: "existing" } }, secret)).toMatchInlineSnapshot(`
      "invalid settings: 1 error

      deployment.url is required
        pulumi config set --path 'deployment.url' https://litellm.example.com"
    `);
  });

  test.each([
    ["the path of OpenAI's API", `${url}/v1`],
    ["a query", `${url}/?team=a`],
    ["a user", "https://me:word@litellm.example.com"],
    ["another protocol", "litellm.example.com"],
  ])("a URL with %s", (_, wrong) => {
    const message = refusal({ deployment: { ...deployment, url: wrong } }, secret);
    expect(message).toContain("invalid settings: 1 error\n\ndeployment.url must ");
    expect(message).not.toContain("me:word");
  });

  test("what describes a gateway is refused, each once, whatever is in it", () => {
    expect(
      refusal(
        {
          deployment,
          database: { kind: "managed" },
          redis: { kind: "wrong" },
          requestLog: { retentionDays: 30 },
          staticKeys: { poc: {} },
          models: [{ name: "hello", provider: "none such" }],
          router: { strategy: "wrong" },
          cache: { enabled: true },
          callbacks: [{ kind: "prometheus" }],
          generalSettings: { no_such_setting: 1 },
          environmentVariables: { AWS_REGION_NAME: "eu-central-1" },
          requestTimeoutSeconds: 60,
        },
        {
          ...secret,
          openaiApiKey: "sk-proj-of-a-stored-model",
          saltKey: "salt",
          databaseUrl: "postgresql://u:p@db:5432/litellm",
        },
      ),
    ).toMatchInlineSnapshot(`
      "invalid settings: 13 errors

      database describes a gateway of the stack's own, which topology "existing" does not have
        pulumi config rm database

      redis describes a gateway of the stack's own, which topology "existing" does not have
        pulumi config rm redis

      requestLog describes a gateway of the stack's own, which topology "existing" does not have
        pulumi config rm requestLog

      staticKeys describes a gateway of the stack's own, which topology "existing" does not have
        pulumi config rm staticKeys

      models describes a gateway of the stack's own, which topology "existing" does not have
        pulumi config rm models

      router describes a gateway of the stack's own, which topology "existing" does not have
        pulumi config rm router

      cache describes a gateway of the stack's own, which topology "existing" does not have
        pulumi config rm cache

      callbacks describes a gateway of the stack's own, which topology "existing" does not have
        pulumi config rm callbacks

      generalSettings describes a gateway of the stack's own, which topology "existing" does not have
        pulumi config rm generalSettings

      environmentVariables describes a gateway of the stack's own, which topology "existing" does not have
        pulumi config rm environmentVariables

      requestTimeoutSeconds describes a gateway of the stack's own, which topology "existing" does not have
        pulumi config rm requestTimeoutSeconds

      saltKey describes a gateway of the stack's own, which topology "existing" does not have
        pulumi config rm saltKey

      databaseUrl describes a gateway of the stack's own, which topology "existing" does not have
        pulumi config rm databaseUrl"
    `);
  });

  test("an authority for a gateway without TLS", () => {
    expect(
      refusal(
        {
          deployment: {
            ...deployment,
            url: "http://litellm.example.com",
            certificateAuthorityFile: "ca.pem",
          },
        },
        secret,
      ),
    ).toMatchInlineSnapshot(`
      "invalid settings: 1 error

      deployment.certificateAuthorityFile is not used with http://litellm.example.com, which has no TLS
        pulumi config rm --path 'deployment.certificateAuthorityFile'"
    `);
  });

  test("a master key that would go over the network in plain text is warned of", () => {
    const warn = (changes: object) =>
      listWarnings(parseSettings(rawConfig({ deployment: { ...deployment, ...changes } }, secret)));
    const plainText = "http://litellm.example.com";
    expect(warn({ url: plainText })).toEqual([
      "deployment.url is http://litellm.example.com: without TLS whoever is in between reads the master key. Give the URL that has it, or a machine there to go through by SSH:\n  pulumi config set --path deployment.machine.address <address>",
    ]);
    expect(warn({ url: plainText, machine: { address: "192.168.10.18" } })).toEqual([]);
    expect(warn({ url: "http://127.0.0.1:4000" })).toEqual([]);
    expect(warn({})).toEqual([]);
  });

  test("elsewhere models are required as ever", () => {
    expect(refusal({ deployment: { topology: "local" } })).toContain(
      "models must have at least one entry",
    );
    expect(refusal({ deployment: { topology: "local", url }, models })).toContain(
      "deployment.url is no setting",
    );
  });
});
