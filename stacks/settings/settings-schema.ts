import { z } from "zod";

import { keysOf, type Section } from "./litellm-keys.ts";
import { topLevelSecrets } from "./secret-names.ts";
import { PlainSettings } from "./settings.ts";

type JsonSchema = Record<string, unknown>;

/** JSON Schema of `Pulumi.<stack>.yaml`, for editors: our settings in Pulumi's wrapping. */
export function buildSettingsSchema(): JsonSchema {
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "Settings of a LiteLLM gateway stack",
    type: "object",
    properties: {
      config: {
        type: "object",
        properties: {
          ...mapEntries(PlainSettings.shape, describeSetting),
          ...mapEntries(sections, ([schema, section]) => ({
            ...describeSetting(schema),
            ...describeSection(section),
          })),
          ...mapEntries(topLevelSecrets, ({ description }) => ({ ...secret, description })),
          [namespaced("secrets")]: {
            type: "object",
            description:
              "Further secrets by name: `groqApiKey` reaches the proxy as GROQ_API_KEY. Set with `pulumi config set --secret --path 'secrets.<name>'`.",
            propertyNames: { pattern: "^[a-z][a-zA-Z0-9]*$" },
            additionalProperties: secret,
          },
        },
        // Settings of other namespaces, such as `aws:region`, are not ours to judge.
        patternProperties: { "^(?!litellm-gateway:)": {} },
        additionalProperties: false,
      },
    },
    definitions,
    // Pulumi's own keys: secretsprovider, encryptionsalt, environment, …
    additionalProperties: true,
  };
}

const { generalSettings, litellmSettings, routerSettings } = PlainSettings.shape;
const sections: Readonly<Record<string, [z.ZodType, Section]>> = {
  generalSettings: [generalSettings, "general_settings"],
  litellmSettings: [litellmSettings, "litellm_settings"],
  routerSettings: [routerSettings, "router_settings"],
};

const namespaced = (key: string) => `litellm-gateway:${key}`;

/** What `pulumi config set --secret` writes. */
const secret: JsonSchema = {
  type: "object",
  properties: { secure: { type: "string" } },
  required: ["secure"],
  additionalProperties: false,
};

function mapEntries<Value>(
  values: Readonly<Record<string, Value>>,
  map: (value: Value) => JsonSchema,
): JsonSchema {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [namespaced(key), map(value)]),
  );
}

function describeSetting(schema: z.ZodType): JsonSchema {
  const described = z.toJSONSchema(schema, {
    io: "input",
    target: "draft-7",
    override: restoreHints,
  });
  delete described.$schema;
  // `pulumi config set <key>` stores a number as its text.
  return described.type === "integer"
    ? { ...described, type: ["integer", "string"], pattern: "^[0-9]+$" }
    : described;
}

/** The keys that LiteLLM reads in a section, for completion. */
function describeSection(section: Section): JsonSchema {
  const properties = [...keysOf(section)].map(([key, type]) => [key, describeType(type)]);
  return { properties: Object.fromEntries(properties) as JsonSchema, additionalProperties: false };
}

function describeType(type: string): JsonSchema {
  const alternatives = type.split("|").map((name): JsonSchema => {
    if (name === "any") return {};
    return name.startsWith('"') ? { const: JSON.parse(name) as unknown } : reference(name);
  });
  return alternatives.length === 1
    ? (alternatives[0] ?? {})
    : { anyOf: [...alternatives, reference("reference")] };
}

const reference = (name: string): JsonSchema => ({ $ref: `#/definitions/${name}` });

/** LiteLLM's types: what stands for nothing or for an environment variable is always allowed. */
const definitions: JsonSchema = {
  reference: { type: ["string", "null"], pattern: "^os\\.environ/" },
  string: { type: ["string", "number", "null"] },
  integer: { type: ["integer", "string", "null"], pattern: "^(os\\.environ/|-?[0-9]+$)" },
  number: { type: ["number", "string", "null"], pattern: "^(os\\.environ/|-?[0-9])" },
  boolean: { anyOf: [{ type: "boolean" }, reference("reference")] },
  array: { anyOf: [{ type: "array" }, reference("reference")] },
  object: { anyOf: [{ type: "object" }, reference("reference")] },
};

/** zod leaves default and examples out of a schema that reads texts as numbers. */
function restoreHints({
  zodSchema,
  jsonSchema,
}: {
  zodSchema: z.core.$ZodTypes;
  jsonSchema: z.core.JSONSchema.BaseSchema;
}): void {
  const examples = z.globalRegistry.get(zodSchema)?.examples;
  if (Array.isArray(examples)) jsonSchema.examples = examples;
  const { def } = zodSchema._zod;
  if (def.type === "default") jsonSchema.default = def.defaultValue;
}
