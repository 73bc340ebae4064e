import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";

import { renderComposeProject } from "../../../templates/docker-compose.ts";
import { composePlans, planContainers } from "../../support/compose-plans.ts";

interface Service {
  readonly environment: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}

const readServices = (text: string | undefined): Record<string, Service> =>
  (parse(text ?? "") as { services: Record<string, Service> }).services;

test.each(Object.entries(composePlans))("%s", async (name, plan) => {
  const { files } = renderComposeProject(plan());
  await expect(files["docker-compose.yaml"]).toMatchFileSnapshot(`docker-compose/${name}.yaml`);
});

test("the database is made by a script", async () => {
  const { files } = renderComposeProject(planContainers());
  await expect(files["postgresql/create-database.sql"]).toMatchFileSnapshot(
    "docker-compose/create-database.sql",
  );
});

describe("each container", () => {
  const { files, secrets } = renderComposeProject(
    planContainers({}, { openaiApiKey: "sk-proj-0123456789abcdef" }),
  );
  const services = readServices(files["docker-compose.yaml"]);
  const secretsOf = (service: string): string[] =>
    Object.values(services[service]?.environment ?? {}).flatMap(
      (value) => /^\$\{(\w+):/.exec(value)?.[1] ?? [],
    );

  test("gets its own secrets only", () => {
    expect(secretsOf("postgresql")).toEqual(["superuserPassword"]);
    expect(secretsOf("database")).toEqual(["superuserPassword", "databasePassword"]);
    expect(secretsOf("migration")).toEqual(["databaseUrl"]);
    expect(secretsOf("litellm").sort()).toEqual([
      "databaseUrl",
      "masterKey",
      "openaiApiKey",
      "saltKey",
      "uiPassword",
    ]);
  });

  test("together get the secrets that are asked for", () => {
    const used = Object.keys(services).flatMap(secretsOf);
    expect(secrets).toEqual([...new Set(used)].sort());
  });
});

test("the files that are mounted are those of the plan", () => {
  const plan = planContainers({ database: { kind: "none" } });
  const { files } = renderComposeProject(plan);
  const mounted = Object.entries(files).filter(([path]) => path !== "docker-compose.yaml");
  expect(Object.fromEntries(mounted)).toEqual(
    Object.fromEntries(
      Object.entries(plan.proxy.configuration.files).map(([name, text]) => [
        `litellm/${name}`,
        text,
      ]),
    ),
  );
});

test("another text of a file is another container", () => {
  const label = (response: string): string | undefined => {
    const plan = planContainers({ models: [{ name: "hello", provider: "mock", response }] });
    const services = readServices(renderComposeProject(plan).files["docker-compose.yaml"]);
    return services["litellm"]?.labels["litellm-gateway.litellm-config.yaml"];
  };
  expect(label("Hello.")).toMatch(/^[0-9a-f]{64}$/);
  expect(label("Hello.")).toBe(label("Hello."));
  expect(label("Hello.")).not.toBe(label("Goodbye."));
});

test("any text of an environment variable is read back as it is", () => {
  const text = fc.string({ unit: "binary" }).filter((value) => !value.includes("\0"));
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), text, (a, b) => {
      const environmentVariables = { A: a, B: `$${b}` };
      const { files } = renderComposeProject(planContainers({ environmentVariables }));
      const { environment } = readServices(files["docker-compose.yaml"])["litellm"] ?? {};
      const unescape = (text = ""): string => {
        expect(text.replaceAll("$$", "")).not.toContain("$");
        return text.replaceAll("$$", "$");
      };
      expect(unescape(environment?.["A"])).toBe(a);
      expect(unescape(environment?.["B"])).toBe(`$${b}`);
    }),
  );
});
