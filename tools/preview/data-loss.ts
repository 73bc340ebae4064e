import type { PreviewStep } from "./preview-digest.ts";

/**
 * What is lost when a resource of a type is deleted, or replaced, which deletes the old one.
 * Every other type can be made again by the next `up`.
 */
const LOSSES: Readonly<Record<string, string>> = {
  "docker:index/volume:Volume": "what is stored in the volume",
  "postgresql:index/database:Database": "all tables of the database",
  "postgresql:index/role:Role": "the role, its password, and what it owns or may do",
  // Generated once: the only copy of what it holds is in Pulumi's state.
  "random:index/randomPassword:RandomPassword": "the key or password, which nobody can make again",
  "litellm:index:SaltKey": "the salt key: nothing stored encrypted in the database can be read",
  "litellm:host:PostgresCluster": "the PostgreSQL data directory with all databases",
  "litellm:host:Directory": "every file in the folder",
};

/** What a step destroys, or undefined when it destroys nothing that `up` cannot make again. */
export function describeLoss({ op, oldState }: PreviewStep): string | undefined {
  const isDestructive = /delete|replace/.test(op);
  if (!isDestructive || oldState === undefined) {
    return undefined;
  }
  const loss = LOSSES[oldState.type] ?? (oldState.protect === true ? "it is protected" : undefined);
  return loss !== undefined && op === "delete" && oldState.retainOnDelete === true
    ? `${loss} (what exists outside of the state stays where it is: retainOnDelete)`
    : loss;
}
