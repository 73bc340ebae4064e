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
  // Its key is in Pulumi's state alone, and clients were told to trust it.
  "litellm:tls:CertificateAuthority": "the certificate authority that clients trust",
  // LiteLLM keeps the digest only.
  "litellm:access:VirtualKey":
    "the key: requests with it are refused, and nobody can make it again",
  "litellm:access:Team": "the team, its members' limits, and every key of it",
  "litellm:host:PostgresCluster": "the PostgreSQL data directory with all databases",
  "litellm:host:Directory": "every file in the folder",
};

/** What a step destroys, or undefined when it destroys nothing that `up` cannot make again. */
export function describeLoss({ op, urn, oldState }: PreviewStep): string | undefined {
  const isDestructive = /delete|replace/.test(op);
  if (!isDestructive || oldState === undefined || isReplacedByAnother(urn)) {
    return undefined;
  }
  const loss = LOSSES[oldState.type] ?? (oldState.protect === true ? "it is protected" : undefined);
  return loss !== undefined && op === "delete" && oldState.retainOnDelete === true
    ? `${loss} (what exists outside of the state stays where it is: retainOnDelete)`
    : loss;
}

/**
 * Behind Traefik what changes is made anew under another name: the volume of an old proxy holds rendered
 * files only, and a role that proxies log in with owns nothing.
 */
function isReplacedByAnother(urn: string): boolean {
  return (
    urn.includes("$litellm:index:ProxyGeneration$") ||
    /\$postgresql:index\/role:Role::gateway-database-login-/.test(urn)
  );
}
