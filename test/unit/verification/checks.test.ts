import { describe, expect, test } from "vitest";

import {
  type CheckedDeployment,
  type CheckedEdge,
  planChecks,
} from "../../../stacks/plan/checks.ts";

const DEPLOYMENT: CheckedDeployment = {
  database: "unreachable",
  connections: undefined,
  models: ["hello"],
  offersUnregistered: false,
  chatModel: "hello",
  embeddingModel: undefined,
  spendLogSeconds: undefined,
};
const EDGE: CheckedEdge = {
  hosts: ["litellm.example.com", "ai.example.com"],
  issuer: "private",
  hstsSeconds: 31_536_000,
  httpPort: 80,
  refused: [],
  management: "allowed",
};
const plan = (edge: Partial<CheckedEdge> = {}, deployment: Partial<CheckedDeployment> = {}) =>
  planChecks({ ...DEPLOYMENT, edge: { ...EDGE, ...edge }, ...deployment });
const kinds = (...options: Parameters<typeof plan>): string[] =>
  plan(...options).map(({ kind }) => kind);

describe("checks of a gateway behind an edge", () => {
  test("are those of any gateway, and how one gets there", () => {
    expect(kinds()).toEqual([
      ...["dns", "certificate", "redirect"],
      ...["live", "ready", "models", "chat", "chat", "wrong-key", "unknown-model", "admin"],
      ...["hsts", "unknown-host", "stream-chunks", "websocket", "spend-log"],
    ]);
    expect(planChecks(DEPLOYMENT).map(({ kind }) => kind)).toEqual([
      ...["live", "ready", "models", "chat", "chat", "wrong-key", "unknown-model"],
      ...["admin", "spend-log"],
    ]);
  });

  test("leave out what is not there", () => {
    const seen = kinds({ hstsSeconds: 0, httpPort: undefined }, { chatModel: undefined });
    for (const kind of ["hsts", "redirect", "stream-chunks", "cache-hit", "redis"]) {
      expect(seen).not.toContain(kind);
    }
  });

  test("give ACME the time that it takes", () => {
    const deadline = (issuer: CheckedEdge["issuer"]) =>
      plan({ issuer }).find((check) => check.kind === "certificate")?.deadlineSeconds;
    expect([deadline("acme"), deadline("acme-staging"), deadline("files")]).toEqual([120, 120, 15]);
  });

  test("leave other names of an existing Traefik to others", () => {
    expect(plan({ issuer: "existing" })).toContainEqual({ kind: "unknown-host", isShared: true });
    expect(plan()).toContainEqual({ kind: "unknown-host" });
  });

  test("prove the cache", () => {
    const checks = plan({}, { cache: "default_off" });
    expect(checks).toContainEqual({ kind: "cache-hit", model: "hello", mode: "default_off" });
    expect(checks).toContainEqual({ kind: "redis" });
  });

  test("do not ask what is refused, and allow for what may be", () => {
    const cached = { cache: "default_on" } as const;
    const seen = kinds({ management: "refused" }, cached);
    for (const kind of ["admin", "redis", "spend-log"]) expect(seen).not.toContain(kind);
    expect(seen).toContain("cache-hit");
    const restricted = plan({ management: "unknown" }, cached).filter(
      (check) => "isRestricted" in check,
    );
    expect(restricted.map(({ kind }) => kind)).toEqual(["admin", "redis", "spend-log"]);
  });

  test("ask for each path that is refused", () => {
    const refused = [
      { path: "/ui/", status: 401 },
      { path: "/metrics", status: 403, mayBeAllowed: true },
    ] as const;
    expect(plan({ refused }).filter(({ kind }) => kind === "admin-refused")).toEqual(
      refused.map((path) => ({ kind: "admin-refused", ...path })),
    );
  });
});
