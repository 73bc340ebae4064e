import { parseSettings, type RawConfig, SettingsError } from "../../../stacks/settings/settings.ts";

/** A configuration as Pulumi stores it: objects and lists as JSON, everything else as text. */
export function rawConfig(
  plain: Readonly<Record<string, unknown>>,
  secret: Readonly<Record<string, unknown>> = {},
): RawConfig {
  return { plain: store(plain), secret: store(secret) };
}

function store(values: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [
      key,
      typeof value === "string" ? value : JSON.stringify(value),
    ]),
  );
}

/** The message with which settings are refused. */
export function refusal(
  plain: Readonly<Record<string, unknown>>,
  secret?: Readonly<Record<string, unknown>>,
): string {
  try {
    parseSettings(rawConfig(plain, secret));
  } catch (error) {
    if (error instanceof SettingsError) return error.message;
    throw error;
  }
  throw new Error("the settings were accepted");
}

/** The smallest valid list of models. */
export const mockModels = [{ name: "hello", provider: "mock" }];
