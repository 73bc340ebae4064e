import { describe, expect, test } from "vitest";

import { type Circumstances, planDeployment, type TraefikPlan } from "../../../stacks/plan/plan.ts";
import { listContainerNames, listServices } from "../../../stacks/plan/planned-containers.ts";
import { parseSettings } from "../../../stacks/settings/settings.ts";
import { imagineCircumstances } from "../../support/circumstances.ts";

const MOCK = { name: "hello", provider: "mock" };

function plan(
  plain: { readonly deployment?: object; readonly [key: string]: unknown } = {},
  changes: Partial<Circumstances> = {},
  secret: object = {},
): TraefikPlan {
  const { deployment, ...others } = plain;
  const settings = parseSettings({
    plain: {
      models: [MOCK],
      ...others,
      deployment: {
        topology: "traefik",
        baseDomain: "example.com",
        certificates: { kind: "private" },
        ...deployment,
      },
    },
    secret: { ...secret },
  });
  return planDeployment(
    settings,
    imagineCircumstances({ stack: "prod", ...changes }),
  ) as TraefikPlan;
}

const generationOf = (...parameters: Parameters<typeof plan>): string =>
  plan(...parameters).proxies.generation;

describe("containers behind Traefik", () => {
  test("are planned whole from the smallest settings", async () => {
    await expect(JSON.stringify(plan(), undefined, 2) + "\n").toMatchFileSnapshot(
      "snapshots/traefik.json",
    );
  });

  test("publish the ports of Traefik and no others", () => {
    const planned = plan({ redis: { kind: "managed" }, deployment: { replicas: 2 } });
    const published = listServices(planned).flatMap(({ name, ports }) =>
      ports.map(({ port }) => [name, port]),
    );
    expect(published).toEqual([
      ["litellm-prod-traefik", 80],
      ["litellm-prod-traefik", 443],
    ]);
    expect(planned.redis?.container.networks).toEqual([
      { name: "internal_network", alias: "redis" },
    ]);
    expect(planned.database).toMatchObject({
      server: { container: { networks: [{ name: "internal_network", alias: "postgresql" }] } },
    });
  });

  test("have names that nobody else has on networks that others use", () => {
    const networks = { web: { name: "edge", existing: true }, internal: { existing: true } };
    const planned = plan({ redis: { kind: "managed" }, deployment: { networks } });
    const aliases = listServices(planned).flatMap((container) =>
      container.networks.map(({ alias }) => alias),
    );
    expect(new Set(aliases)).toEqual(new Set([undefined]));
    expect(planned.networks.internal).toMatchObject({ isExisting: true, isInternal: false });
  });

  test("have one name each", () => {
    const names = listContainerNames(plan({ redis: { kind: "managed" } }));
    expect(new Set(names).size).toBe(names.length);
  });

  test("leave PostgreSQL room for old and new proxies, up to the next hundred", () => {
    expect(plan({ deployment: { replicas: 2, workers: 2 } }).connections).toEqual({
      workers: 2,
      perWorker: 10,
      replicas: 2,
      generations: 2,
      reserved: 15,
      used: 95,
      total: 100,
    });
  });

  test("replace no worker while it has requests, and believe Traefik alone", () => {
    const [proxy] = plan().proxies.containers;
    expect(proxy?.command.join(" ")).not.toContain("max_requests_before_restart");
    expect(proxy?.variables["FORWARDED_ALLOW_IPS"]).toBe("*");
    expect(proxy?.ports).toEqual([]);
  });
});

describe("a generation of proxies", () => {
  test("is the same for the same proxies", () => {
    expect(generationOf()).toBe(generationOf());
    expect(generationOf()).toMatch(/^[0-9a-f]{8}$/);
  });

  test.each([
    ["a model", { models: [MOCK, { name: "other", provider: "mock" }] }],
    ["the number of replicas", { deployment: { replicas: 2 } }],
    ["the number of workers", { deployment: { workers: 3 } }],
    ["the image", { deployment: { image: "ghcr.io/berriai/litellm:v1.2.3" } }],
    ["a variable", { environmentVariables: { GREETING: "hello" } }],
  ])("is another one for another value of %s", (_what, changes) => {
    expect(generationOf(changes)).not.toBe(generationOf());
  });

  test.each([
    ["a route", { deployment: { hstsSeconds: 60 } }],
    ["PostgreSQL's memory", { database: { memoryMegabytes: 2048 } }],
  ])("is not another one for another value of %s, which no proxy sees", (_what, changes) => {
    expect(generationOf(changes)).toBe(generationOf());
  });

  test("is another one for another value of a secret that it is given, and of no other", () => {
    const secret = { openaiApiKey: "sk-proj-0123456789abcdef", superuserPassword: "0123456789" };
    const withPrints = (fingerprints: Record<string, string>): string =>
      generationOf({}, { fingerprints }, secret);
    const before = withPrints({ openaiApiKey: "aa", superuserPassword: "aa" });
    expect(withPrints({ openaiApiKey: "aa", superuserPassword: "bb" })).toBe(before);
    expect(withPrints({ openaiApiKey: "bb", superuserPassword: "aa" })).not.toBe(before);
    expect(
      withPrints({ openaiApiKey: "aa", superuserPassword: "aa", databasePassword: "aa" }),
    ).not.toBe(before);
  });

  test("goes on where it serves, and has a further name where what has its name is broken", () => {
    const name = generationOf();
    const known = (serving: string | undefined, broken: string[]): string =>
      generationOf({}, { generations: { serving, broken } });
    expect(known(`${name}-2`, [])).toBe(`${name}-2`);
    expect(known(`${name}-2`, [name])).toBe(`${name}-2`);
    expect(known(undefined, [name])).toBe(`${name}-2`);
    expect(known(name, [name, `${name}-2`])).toBe(`${name}-3`);
    expect(known("another0", [])).toBe(name);
  });

  test("logs in with a role for each password", () => {
    expect(plan().database).toMatchObject({ role: "litellm", login: "litellm_login" });
    const fingerprints = { databasePassword: "0123456789abcdef" };
    const { database } = plan({}, { fingerprints }, { databasePassword: "a-password" });
    expect(database).toMatchObject({ role: "litellm", login: "litellm_01234567" });
  });
});
