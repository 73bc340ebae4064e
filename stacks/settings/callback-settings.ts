import { z } from "zod";

import type { DeepReadonly } from "./models.ts";
import { baseUrl } from "./models.ts";

const Langfuse = z.strictObject({
  kind: z.literal("langfuse").meta({
    description: "Langfuse. Secrets `langfusePublicKey` and `langfuseSecretKey`.",
  }),
  host: baseUrl.optional().meta({
    description: "URL of the server. Default: Langfuse's cloud in the EU.",
    examples: ["https://langfuse.example.com"],
  }),
});

const OpenTelemetry = z.strictObject({
  kind: z.literal("otel").meta({
    description: "OpenTelemetry. Optional secret `otelExporterOtlpHeaders`: `name=value,…`.",
  }),
  endpoint: baseUrl.meta({
    description: "URL of the collector.",
    examples: ["http://otel-collector.example.com:4318"],
  }),
  protocol: z
    .enum(["http/protobuf", "grpc"])
    .default("http/protobuf")
    .meta({ description: "How the collector is spoken to." }),
});

const Prometheus = z.strictObject({
  kind: z
    .literal("prometheus")
    .meta({ description: "Prometheus: metrics at `/metrics/`, for those with a key." }),
});

const S3 = z.strictObject({
  kind: z.literal("s3").meta({
    description:
      "Objects in a bucket of S3. Secrets `awsAccessKeyId` and `awsSecretAccessKey`; without both: the machine's role.",
  }),
  bucket: z
    .string()
    .trim()
    .min(1)
    .meta({ description: "Name of the bucket.", examples: ["litellm-logs"] }),
  region: z
    .string()
    .trim()
    .min(1)
    .meta({ description: "Region of the bucket.", examples: ["eu-central-1"] }),
  path: z.string().trim().min(1).optional().meta({
    description: "What the names of objects begin with.",
  }),
  endpointUrl: baseUrl.optional().meta({ description: "URL of another server with S3's API." }),
});

const Datadog = z.strictObject({
  kind: z.literal("datadog").meta({ description: "Datadog's logs. Secret `ddApiKey`." }),
  site: z
    .string()
    .trim()
    .min(1)
    .meta({ description: "Datadog's site.", examples: ["datadoghq.eu"] }),
});

const Langsmith = z.strictObject({
  kind: z.literal("langsmith").meta({ description: "LangSmith. Secret `langsmithApiKey`." }),
  project: z
    .string()
    .trim()
    .min(1)
    .optional()
    .meta({ description: "Name of the project. Default: LiteLLM's own, `litellm-completion`." }),
});

/** Where LiteLLM reports requests to. */
export const Callback = z.discriminatedUnion("kind", [
  Langfuse,
  OpenTelemetry,
  Prometheus,
  S3,
  Datadog,
  Langsmith,
]);

export type CallbackSettings = DeepReadonly<z.output<typeof Callback>>;

/** What a callback needs beside its own settings, and which of LiteLLM's keys it goes by. */
interface CallbackNeeds {
  /** LiteLLM's name of it. */
  readonly name: string;
  /** Secrets of `secrets` that it cannot do without. */
  readonly secrets: readonly string[];
  /** Secrets that it takes where they are set: all of them or none. */
  readonly optionalSecrets: readonly string[];
  /** Python package that LiteLLM's image has and that the `proxy` extra leaves out. */
  readonly pythonPackage: string | undefined;
}

export const callbackNeeds: Readonly<Record<CallbackSettings["kind"], CallbackNeeds>> = {
  langfuse: {
    name: "langfuse",
    secrets: ["langfusePublicKey", "langfuseSecretKey"],
    optionalSecrets: [],
    pythonPackage: "langfuse",
  },
  otel: {
    name: "otel",
    secrets: [],
    optionalSecrets: ["otelExporterOtlpHeaders"],
    pythonPackage: "opentelemetry-exporter-otlp",
  },
  prometheus: { name: "prometheus", secrets: [], optionalSecrets: [], pythonPackage: undefined },
  s3: {
    name: "s3_v2",
    secrets: [],
    optionalSecrets: ["awsAccessKeyId", "awsSecretAccessKey"],
    pythonPackage: undefined,
  },
  datadog: {
    name: "datadog",
    secrets: ["ddApiKey"],
    optionalSecrets: [],
    pythonPackage: undefined,
  },
  langsmith: {
    name: "langsmith",
    secrets: ["langsmithApiKey"],
    optionalSecrets: [],
    pythonPackage: undefined,
  },
};

/** Environment variables that the callbacks are configured by, without those of secrets. */
export function planCallbackVariables(
  callbacks: readonly CallbackSettings[],
): Record<string, string> {
  return Object.assign({}, ...callbacks.map(describeVariables)) as Record<string, string>;
}

function describeVariables(callback: CallbackSettings): Record<string, string> {
  switch (callback.kind) {
    case "langfuse":
      return callback.host === undefined ? {} : { LANGFUSE_HOST: callback.host };
    case "otel":
      return {
        OTEL_EXPORTER_OTLP_PROTOCOL: callback.protocol,
        OTEL_EXPORTER_OTLP_ENDPOINT: callback.endpoint,
      };
    case "datadog":
      return { DD_SITE: callback.site };
    case "langsmith":
      return callback.project === undefined ? {} : { LANGSMITH_PROJECT: callback.project };
    case "prometheus":
    case "s3":
      return {};
    default:
      return callback satisfies never;
  }
}
