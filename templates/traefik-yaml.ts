import { Scalar, stringify } from "yaml";

/** A value of Traefik's dynamic configuration. */
export type TraefikValue = string | number | boolean | readonly TraefikValue[] | TraefikMap;
export interface TraefikMap {
  readonly [key: string]: TraefikValue;
}

/** Text of a file of Traefik's dynamic configuration. The same values give the same text, byte for byte. */
export function stringifyTraefik(configuration: TraefikMap): string {
  const text = stringify(configuration, {
    aliasDuplicateObjects: false,
    defaultStringType: Scalar.QUOTE_DOUBLE,
    defaultKeyType: Scalar.PLAIN,
    doubleQuotedMinMultiLineLength: Number.MAX_SAFE_INTEGER,
    lineWidth: 0,
  });
  // Traefik takes its files for Go templates first.
  if (text.includes("{{")) throw new Error("a value for Traefik must not contain {{");
  return `# Rendered from the stack's settings: change those, not this file.\n${text}`;
}

/** As Go writes durations. */
export function formatSeconds(seconds: number): string {
  return `${seconds}s`;
}
