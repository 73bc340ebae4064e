import { usesPrisma } from "../settings/database-settings.ts";
import type { Settings } from "../settings/settings.ts";

/**
 * Defaults of LiteLLM's guide to production, https://docs.litellm.ai/docs/proxy/prod ("Best Practices for
 * Production"), beside those that every deployment has: LITELLM_MODE=PRODUCTION, JSON logs, the request
 * timeout, `simple` worker counts with recycling (stacks/plan/proxy-plan.ts), one migration before the proxy and
 * a salt key. What the user has set wins.
 */
const production = {
  generalSettings: {
    // "Batch write spend updates every 60s": fewer writes to the database.
    proxy_batch_write_at: 60,
  },
  litellmSettings: {
    // "Switch off Debug Logging".
    set_verbose: false,
  },
  // "Turn off FastAPI's default info logs": LITELLM_LOG=ERROR.
  logLevel: "ERROR",
} as const;

/** The settings with the defaults of a profile filled in. */
export function applyProfile(settings: Settings, profile: "production" | "litellm"): Settings {
  if (profile === "litellm") return settings;
  return {
    ...settings,
    generalSettings: {
      ...(usesPrisma(settings.database) && production.generalSettings),
      ...settings.generalSettings,
    },
    litellmSettings: { ...production.litellmSettings, ...settings.litellmSettings },
    logLevel: settings.logLevel ?? production.logLevel,
  };
}
