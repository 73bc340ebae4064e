import type { OperationContext } from "../../components/provider/resource.ts";

/** A context for calling a resource definition without a server. */
export function operationContext(signal: AbortSignal = new AbortController().signal) {
  const messages: string[] = [];
  const context: OperationContext = {
    urn: "urn:pulumi:test::test::litellm:test:Test::test",
    signal,
    log: (message) => messages.push(message),
  };
  return { context, messages };
}
