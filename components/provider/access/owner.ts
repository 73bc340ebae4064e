import type { OperationContext } from "../resource.ts";

/** Key in the metadata of what is managed here: whoever looks at it in LiteLLM's pages sees whose it is. */
export const OWNER_KEY = "managed_by";

type Identified = Pick<OperationContext, "urn">;

/**
 * Tells what a resource has made from what others have: project, stack and name of the resource. When an
 * `up` was killed before the state was written, the next one finds by it what it had made.
 */
export function nameOwner(context: Identified): string {
  return `${nameStack(context)}:${nameResource(context)}`;
}

/** Name of the resource in the program. */
export function nameResource({ urn }: Identified): string {
  return splitUrn(urn).name;
}

/** Metadata for LiteLLM: the user's, and whose it is. */
export function addOwner(
  context: Identified,
  metadata: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  return { ...metadata, [OWNER_KEY]: nameOwner(context) };
}

/** Who manages it, by the metadata that LiteLLM has; undefined where nobody does. */
export function readOwner(metadata: unknown): string | undefined {
  const owner = (metadata as Readonly<Record<string, unknown>> | null | undefined)?.[OWNER_KEY];
  return typeof owner === "string" ? owner : undefined;
}

/** Whether the resource is one of `access` in the settings, and not one of a program of the user's own. */
export function isOfSettings({ urn }: Identified): boolean {
  return urn.includes("litellm:index:Access$");
}

/** Whether this owner is a resource of another stack, or something else altogether. */
export function isOtherStack(context: Identified, owner: string): boolean {
  return !owner.startsWith(`${nameStack(context)}:`);
}

/** Whether what a resource is to delete has been taken over by another stack meanwhile, and stays; says so. */
export function isTakenOver(context: OperationContext, what: string, metadata: unknown): boolean {
  const owner = readOwner(metadata);
  if (owner === undefined || !isOtherStack(context, owner)) return false;
  const message = `${what} is left as it is: it has been taken over by ${owner}`;
  context.log(message, { severity: "warning" });
  return true;
}

/**
 * Whether something that exists may be taken over by this resource. What another resource of the very
 * stack has made may not: when that one goes, it would take it away.
 */
export function mayAdopt(context: Identified, adopt: boolean, owner: string | undefined): boolean {
  return adopt && (owner === undefined || isOtherStack(context, owner));
}

function nameStack({ urn }: Identified): string {
  const { project, stack } = splitUrn(urn);
  return `pulumi:${project}/${stack}`;
}

function splitUrn(urn: string) {
  // urn:pulumi:stack::project::parentType$type::name
  const [stack = "", project = "", , ...name] = urn.replace(/^urn:pulumi:/, "").split("::");
  return { stack, project, name: name.join("::") };
}
