import { planDeployment, type SingleHostPlan } from "../../stacks/plan/plan.ts";
import { parseSettings } from "../../stacks/settings/settings.ts";
import { listProxyFiles } from "../../stacks/plan/proxy-containers-plan.ts";
import { imagineCircumstances } from "./circumstances.ts";

type Values = Readonly<Record<string, unknown>>;

/** The plan of a stack on one Docker host with these settings; project files are stubs. */
export function planContainers(plain: Values = {}, secret: Values = {}): SingleHostPlan {
  const { deployment = {}, ...others } = plain as Record<string, object>;
  const settings = parseSettings({
    plain: {
      models: [{ name: "hello", provider: "mock" }],
      ...others,
      deployment: { topology: "single-host", ...deployment },
    },
    secret,
  });
  const plan = planDeployment(
    settings,
    imagineCircumstances({
      stack: "prod",
      files: Object.fromEntries(
        listProxyFiles(settings).map((file) => [file, `# text of ${file}\n`]),
      ),
    }),
  );
  if (plan.topology !== "single-host") throw new Error("another topology was planned");
  return plan;
}

/** A plan for each kind of database, by the name of its snapshot. */
export const composePlans: Readonly<Record<string, () => SingleHostPlan>> = {
  full: () =>
    planContainers(
      {
        deployment: {
          docker: {
            registries: [
              { address: "registry.example.com", username: "deploy", password: "pullToken" },
            ],
          },
          image: "registry.example.com/berriai/litellm:v1.106.2",
          namePrefix: "gateway.eu",
          proxyAddress: "::1",
          workers: 4,
        },
        database: { kind: "managed", name: "gateway", role: "proxy", memoryMegabytes: 4096 },
        environmentVariables: { GREETING: "it's $5 & {more}", SWITCH: "on", TIME: "12:30" },
        models: [
          { name: "gpt", provider: "openai", model: "gpt-5" },
          {
            name: "llama",
            provider: "other",
            litellmProvider: "groq",
            model: "llama-3.3-70b-versatile",
            apiKey: "groqApiKey",
          },
        ],
      },
      {
        openaiApiKey: "sk-proj-0123456789abcdef",
        secrets: { groqApiKey: "gsk-0123456789", pullToken: "token-0123456789" },
      },
    ),
  external: () =>
    planContainers(
      {
        database: {
          kind: "external",
          host: "postgres.example.com",
          sslmode: "verify-full",
          certificateAuthorityFile: "certificates/postgres-ca.pem",
        },
      },
      { databaseAdminPassword: "admin-0123456789" },
    ),
  url: () =>
    planContainers(
      { database: { kind: "url" } },
      { databaseUrl: "postgresql://user:password@db.example.com:5432/litellm" },
    ),
  "no-database": () => planContainers({ database: { kind: "none" } }),
};
