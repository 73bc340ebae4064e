import * as pulumi from "@pulumi/pulumi";

/** A resource as it was registered. Proves what is passed to Pulumi, never that it works. */
export interface Registration {
  readonly type: string;
  readonly name: string;
  readonly urn: string;
  readonly inputs: Record<string, unknown>;
}

const SECRET = "1b47061264138c4ac30d75fd1eb44270";
const SIGNATURE = "4dabf18193072939515e22adb298388d";

/**
 * Runs a program against a recording engine and returns what it registered, in order.
 * Waits until every registration has been made.
 */
export async function record(
  program: () => unknown,
  outputs: (registration: Omit<Registration, "urn">) => object = () => ({}),
): Promise<Registration[]> {
  const registrations: Registration[] = [];
  await pulumi.runtime.setMocks(
    {
      newResource({ type, name, inputs }) {
        const registration = { type, name, inputs: inputs as Record<string, unknown> };
        registrations.push({ ...registration, urn: "" });
        return { id: `${name}-id`, state: { ...inputs, ...outputs(registration) } as object };
      },
      call({ token }) {
        throw new Error(`nothing was expected to call ${token}`);
      },
    },
    "litellm-gateway",
    "test",
    false,
  );
  acceptHooks();
  await program();
  await pulumi.runtime.disconnect();
  return registrations;
}

/** Pulumi's mock of the engine lacks the method for hooks, and a resource that has one would never be registered. */
function acceptHooks(): void {
  const monitor = pulumi.runtime.getMonitor() as unknown as Record<string, unknown>;
  monitor["registerResourceHook"] = (_request: unknown, answer: (error: null) => void) => {
    answer(null);
  };
}

/** The value of a property that was passed to the engine as a secret; fails for one that was not. */
export function revealSecret(value: unknown): unknown {
  if (!isSecret(value)) {
    throw new Error("the property was not passed as a secret");
  }
  return (value as { value: unknown }).value;
}

/** Whether a property was passed to the engine as a secret, as a whole or in a part of it. */
export function isSecret(value: unknown): boolean {
  return (
    typeof value === "object" &&
    value !== null &&
    (value as Record<string, unknown>)[SIGNATURE] === SECRET
  );
}
