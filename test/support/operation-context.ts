import type { OperationContext, Properties } from "../../components/provider/resource.ts";

/** A context for calling a resource definition without a server. */
export function operationContext(
  signal: AbortSignal = new AbortController().signal,
  configuration: Properties = {},
) {
  const messages: string[] = [];
  const concealed: string[] = [];
  const context: OperationContext = {
    urn: "urn:pulumi:test::test::litellm:test:Test::test",
    signal,
    configuration,
    conceal: (secret) => concealed.push(secret),
    log: (message) => messages.push(message),
  };
  return { context, messages, concealed };
}
