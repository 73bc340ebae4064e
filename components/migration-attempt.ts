/** Label of a proxy's container: it comes after the migration. */
export const MIGRATION_LABEL = "litellm-gateway.migration";
/** Label of the migration's container that tells which attempt it was: another value runs it again. */
export const ATTEMPT_LABEL = "litellm-gateway.attempt";

/** The attempt that is due: the next one where the last has failed. */
export function chooseAttempt(
  last: { readonly attempt: number; readonly succeeded: boolean } | undefined,
): number {
  if (last === undefined) return 1;
  return last.succeeded ? last.attempt : last.attempt + 1;
}
