import { readFileSync } from "node:fs";

import { parse } from "yaml";

import type { RawConfig } from "../stacks/settings/settings.ts";
import { selectProject, type StoredValue } from "../stacks/settings/stored-config.ts";
import type { Pulumi } from "./stack.ts";

/** Name of the project, which stands before each setting in a stack's file. */
export function readProjectName(): string {
  return (parse(readFileSync("Pulumi.yaml", "utf8")) as { name: string }).name;
}

/** The stack's name without its organization, as its settings file has it. */
export function shortenStackName(stack: string): string {
  return stack.split("/").at(-1) ?? stack;
}

/** Settings of a stack as they stand in its file, with the secrets in clear. */
export async function readStackConfig(pulumi: Pulumi, stack: string): Promise<RawConfig> {
  const text = await pulumi.read("config", "--json", "--show-secrets", "--stack", stack);
  return selectProject(readProjectName(), JSON.parse(text) as Record<string, StoredValue>);
}

/** Names of the secrets that are set. */
export function listSetSecrets({ secret }: RawConfig): ReadonlySet<string> {
  const { secrets, ...topLevel } = secret;
  const others: unknown = typeof secrets === "string" ? JSON.parse(secrets) : secrets;
  return new Set([...Object.keys(topLevel), ...Object.keys(others ?? {})]);
}
