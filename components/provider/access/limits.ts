import { z } from "zod";

import type { Fields } from "./fields.ts";

/** Of money, as LiteLLM counts it: US dollars. */
export const dollars = z.number().min(0);

/** So many of something. */
export const limit = z.int().min(0);

/** So many of something, by the name of a model. */
export const modelLimits = z.record(z.string().min(1), limit);

/** As LiteLLM takes periods of budgets: `30s`, `15m`, `24h`, `7d`, `2w`, and of months one alone. Source: litellm, get_budget_reset_time. */
export const budgetDuration = z
  .string()
  .regex(/^(?:[1-9]\d*[smhdw]|1mo)$/, "must be a duration such as 30s, 15m, 24h, 7d or 1mo");

/** What LiteLLM names alike wherever it can be set. */
export const LIMIT_FIELDS: Fields = {
  maxBudget: { name: "max_budget" },
  budgetDuration: { name: "budget_duration" },
  rpmLimit: { name: "rpm_limit" },
  tpmLimit: { name: "tpm_limit" },
};

/** Of single models: LiteLLM keeps them in the metadata. */
export const MODEL_LIMIT_FIELDS: Fields = {
  modelRpmLimit: { name: "model_rpm_limit", isInMetadata: true, empty: {} },
  modelTpmLimit: { name: "model_tpm_limit", isInMetadata: true, empty: {} },
};
