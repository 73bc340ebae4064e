import { z } from "zod";

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
