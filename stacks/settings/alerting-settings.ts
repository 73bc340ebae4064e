import { z } from "zod";

import type { DeepReadonly } from "./models.ts";
import { boolean, integer } from "./scalars.ts";

/** LiteLLM's kinds of alerts; a test compares the list with that of the pinned package. */
export const alertTypes = [
  "llm_exceptions",
  "llm_too_slow",
  "llm_requests_hanging",
  "budget_alerts",
  "spend_reports",
  "failed_tracking_spend",
  "user_spend_thresholds",
  "user_spend_anomalies",
  "db_exceptions",
  "daily_reports",
  "cooldown_deployment",
  "new_model_added",
  "model_deprecation_warnings",
  "outage_alerts",
  "region_outage_alerts",
  "fallback_reports",
] as const;

/** Whom LiteLLM tells when something is wrong. */
export const Alerting = z.strictObject({
  slack: boolean()
    .default(false)
    .meta({
      description:
        "Post alerts to Slack, or whatever takes Slack's format, at the secret `slackWebhookUrl`.",
      examples: [true],
    }),
  webhook: boolean()
    .default(false)
    .meta({
      description: "Post spent budgets as JSON to the secret `alertWebhookUrl`.",
      examples: [true],
    }),
  thresholdSeconds: integer({ min: 1 })
    .default(300)
    .meta({ description: "A request that takes longer than this is an alert.", examples: [300] }),
  types: z
    .array(z.enum(alertTypes))
    .min(1)
    .optional()
    .meta({
      description: "Only alerts of these kinds. Default: LiteLLM's own choice, nearly all.",
      examples: [["llm_exceptions", "outage_alerts"]],
    }),
});

export type AlertingSettings = DeepReadonly<z.output<typeof Alerting>>;
