import * as fc from "fast-check";
import { expect, test } from "vitest";

import { checkIncludes } from "../../../stacks/settings/includes.ts";
import { parseSettings, type RawConfig, SettingsError } from "../../../stacks/settings/settings.ts";
import { renderLitellmConfig, requiredEnvironment } from "../../../templates/litellm-config.ts";
import { environmentVariableOf } from "../../../stacks/settings/secret-names.ts";
import { rawConfig } from "./raw-config.ts";

const keys = [
  "deployment",
  "database",
  "endpoints",
  "models",
  "redis",
  "modelFiles",
  "includes",
  "router",
  "cache",
  "callbacks",
  "alerting",
  "access",
  "detailedDebug",
  "routerSettings",
  "litellmSettings",
  "generalSettings",
  "environmentVariables",
  "ui",
  "requestTimeoutSeconds",
  "logLevel",
  "openaiApiKey",
  "masterKey",
  "secrets",
];

/** Words that lead deep into the settings, beside arbitrary ones. */
const word = fc.oneof(
  fc.constantFrom(
    ...["topology", "local", "kind", "none", "embedded", "provider", "name", "model", "mock"],
    ...["openai", "ollama", "other", "litellm", "params", "api_key", "fallbacks", "endpoint"],
    ...["enabled", "groupBy", "group", "external", "host", "slack", "types", "strategy", "a.yaml"],
    ...["teams", "users", "keys", "members", "maxBudget", "expires", "delivery", "secretValues"],
    ...["cache_params", "retry_policy", "master_key", "os.environ/X", "__proto__", "constructor"],
  ),
  fc.string(),
);

const { value: json } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "medium", withCrossShrink: true },
    fc.oneof(word, fc.integer(), fc.double({ noNaN: true }), fc.boolean(), fc.constant(null)),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(word, tie("value"), { maxKeys: 5 }),
  ),
}));

const model = fc.record(
  {
    name: word,
    provider: fc.constantFrom(
      "openai",
      "anthropic",
      "ollama",
      "openai-compatible",
      "mock",
      "other",
    ),
    model: word,
    mode: fc.oneof(fc.constantFrom("chat", "embedding"), json),
    baseUrl: fc.oneof(fc.webUrl(), json),
    fallbacks: fc.oneof(fc.array(word), json),
    params: fc.oneof(fc.dictionary(word, json), json),
    limits: json,
    apiKey: word,
  },
  { requiredKeys: ["name", "provider"] },
);

const section = fc.oneof(json, fc.array(model, { maxLength: 4 }));
const anyConfig: fc.Arbitrary<RawConfig> = fc.record({
  plain: fc.dictionary(fc.oneof(fc.constantFrom(...keys), fc.string()), section),
  secret: fc.dictionary(fc.constantFrom(...keys), section, { maxKeys: 2 }),
});

function parse(raw: RawConfig): ReturnType<typeof parseSettings> | SettingsError {
  try {
    return parseSettings(raw);
  } catch (error) {
    if (error instanceof SettingsError) return error;
    throw error;
  }
}

test("whatever is stored gives settings or errors with a path and a command, never a crash", () => {
  fc.assert(
    fc.property(anyConfig, (raw) => {
      const result = parse(raw);
      if (!(result instanceof SettingsError)) {
        expect(renderLitellmConfig(result)).toContain("model_list:");
        return;
      }
      expect(result.issues.length).toBeGreaterThan(0);
      for (const { path, command } of result.issues) {
        expect(path.length).toBeGreaterThan(0);
        expect(command).toMatch(/^pulumi config (?:set|rm) /);
      }
    }),
    { numRuns: 500 },
  );
});

test("whatever an included file holds, its faults are told, never a crash", () => {
  const text = fc.oneof(
    json.map((value) => JSON.stringify(value)),
    fc.array(fc.dictionary(word, json)).map((list) => JSON.stringify({ model_list: list })),
    fc.string(),
    fc
      .array(fc.constantFrom("a:", " ", "\n", "- ", "&x", "*x", "<<: ", "[", "}", "\t", "#", "|"))
      .map((parts) => parts.join("")),
  );
  const settings = parseSettings(
    rawConfig({ models: [{ name: "a", provider: "mock" }], includes: ["a.yaml"] }),
  );
  fc.assert(
    fc.property(text, (content) => {
      for (const { path, message, command } of checkIncludes(settings, { "a.yaml": content })) {
        expect(path).toEqual(["includes", 0]);
        expect(message).toMatch(/^a\.yaml:\d+ /);
        expect(command).toMatch(/\$EDITOR \+\d+ a\.yaml$|^pulumi config set /);
      }
    }),
    { numRuns: 500 },
  );
});

test("no error shows a secret, wherever it was put", () => {
  const secret = fc.stringMatching(/^[A-Za-z0-9]{24,40}$/).map((text) => `SECRET${text}`);
  const place = fc.constantFrom<(value: string) => RawConfig>(
    (value) => ({ plain: { openaiApiKey: value }, secret: {} }),
    (value) => ({ plain: { opanaiApiKey: value }, secret: {} }),
    (value) => ({ plain: { masterKey: value, models: "" }, secret: {} }),
    (value) => ({ plain: {}, secret: { masterKey: value, models: value, unknown: value } }),
    (value) => rawConfig({ secrets: { groqApiKey: value } }),
    (value) => rawConfig({}, { secrets: { groqApiKey: ` ${value}`, "not-camel": value } }),
    (value) =>
      rawConfig({ models: [{ name: "a", provider: "openai", apiKey: value, api_key: value }] }),
    (value) => rawConfig({ models: [{ name: "a", provider: "mock", params: { api_key: value } }] }),
    (value) =>
      rawConfig({ models: [{ name: "a", provider: "mock", params: { apikey: `sk-${value}` } }] }),
    (value) => rawConfig({ generalSettings: { master_key: value, drain_endpoint_token: value } }),
    (value) =>
      rawConfig({ environmentVariables: { GROQ_API_KEY: value, A: `http://u:${value}@h` } }),
    (value) => rawConfig({ endpoints: { a: `http://u:${value}@h` } }),
  );
  fc.assert(
    fc.property(secret, place, (value, put) => {
      const result = parse(put(value));
      expect(result).toBeInstanceOf(SettingsError);
      expect((result as SettingsError).message).not.toContain(value);
    }),
  );
});

test("every variable that the rendered file refers to is provided, and no secret is in it", () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9]{0,9}$/);
  const key = fc.stringMatching(/^[a-z]{3,8}ApiKey$/);
  const value = fc.stringMatching(/^[A-Za-z0-9]{24}$/).map((text) => `SECRET${text}`);
  const settings = fc
    .uniqueArray(fc.record({ name, key, value }), { selector: (entry) => entry.name, minLength: 1 })
    .map((entries) =>
      rawConfig(
        {
          models: entries.map((entry, index) => ({
            name: entry.name,
            provider: "openai-compatible",
            baseUrl: "http://127.0.0.1:4000",
            model: "upstream",
            apiKey: entry.key,
            fallbacks: entries.slice(index + 1).map((other) => other.name),
          })),
        },
        { secrets: Object.fromEntries(entries.map((entry) => [entry.key, entry.value])) },
      ),
    );
  fc.assert(
    fc.property(settings, (raw) => {
      const parsed = parseSettings(raw);
      const provided = [...parsed.secretNames, "masterKey"].map(environmentVariableOf);
      expect(requiredEnvironment(parsed).filter((name) => !provided.includes(name))).toEqual([]);
      expect(renderLitellmConfig(parsed)).not.toContain("SECRET");
    }),
  );
});
