import { describe, expect, test } from "vitest";

import type { SingleHostPlan } from "../../../stacks/plan/plan.ts";
import { renderComposeProject } from "../../../templates/docker-compose.ts";
import { chooseSecrets, type SecretSources } from "../../../tools/compose/secret-values.ts";
import { composePlans, planContainers } from "../../support/compose-plans.ts";

const choose = (
  plan: SingleHostPlan,
  { given = {}, deployed = {}, previous = {} }: Partial<SecretSources> = {},
) => chooseSecrets(renderComposeProject(plan).secrets, plan, { given, deployed, previous });

const managed = planContainers();
const without = planContainers({ database: { kind: "none" } });

describe("secrets of a Compose project", () => {
  test("are generated when nobody knows them", () => {
    const values = choose(managed);
    expect(Object.keys(values)).toEqual([
      "databasePassword",
      "databaseUrl",
      "masterKey",
      "saltKey",
      "superuserPassword",
      "uiPassword",
    ]);
    expect(values["masterKey"]).toMatch(/^sk-[A-Za-z0-9]{40}$/);
    expect(values["saltKey"]).toMatch(/^[A-Za-z0-9]{40}$/);
    expect(values["databaseUrl"]).toBe(
      `postgresql://litellm:${values["databasePassword"] ?? ""}@litellm-prod-postgresql:5432/litellm?sslmode=disable`,
    );
    expect(choose(managed)["masterKey"]).not.toBe(values["masterKey"]);
  });

  test("are kept by the next run", () => {
    const previous = choose(managed);
    expect(choose(managed, { previous })).toEqual(previous);
  });

  test("are the user's before those of the deployed stack, and these before those of .env", () => {
    const values = choose(managed, {
      given: { masterKey: "sk-given" },
      deployed: { masterKey: "sk-deployed", uiPassword: "deployed" },
      previous: { masterKey: "sk-previous", uiPassword: "previous", databasePassword: "p" },
    });
    expect(values).toMatchObject({
      masterKey: "sk-given",
      uiPassword: "deployed",
      databasePassword: "p",
    });
  });

  test("are percent-encoded in the database's URL, which follows a new password", () => {
    const previous = choose(managed);
    const { databaseUrl } = choose(managed, { given: { databasePassword: "p@ss/w%rd" }, previous });
    expect(databaseUrl).toContain(":p%40ss%2Fw%25rd@");
  });

  test("that fit the data are kept while there is no database", () => {
    const previous = choose(managed);
    const meanwhile = choose(without, { previous });
    expect(meanwhile).toEqual(
      Object.fromEntries(Object.entries(previous).filter(([name]) => name !== "databaseUrl")),
    );
    expect(choose(managed, { previous: meanwhile })).toEqual(previous);
  });

  test("that fit the data are not replaced", () => {
    const previous = choose(managed);
    expect(() => choose(managed, { given: { saltKey: "another" }, previous })).toThrow(
      "saltKey of stack prod differs from .env",
    );
    expect(() => choose(managed, { deployed: choose(managed), previous })).toThrow(
      "saltKey and superuserPassword of stack prod differ from .env",
    );
  });

  test("are not invented for a role that exists", () => {
    const external = composePlans["external"]?.() ?? managed;
    expect(() => choose(external)).toThrow(
      "nobody knows the password of role litellm, which `docker compose` does not make on a server that exists; make it: npm start prod; or tell it: npm run pulumi -- config set --secret databasePassword --stack prod",
    );
    expect(choose(external, { deployed: { databasePassword: "known" } })["databaseUrl"]).toMatch(
      /^postgresql:\/\/litellm:known@postgres\.example\.com:5432\/litellm\?/,
    );
  });
});
