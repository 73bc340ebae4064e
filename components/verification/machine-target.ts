import type { MachineRole } from "../../stacks/plan/machine-checks.ts";
import type { OperationsPlan } from "../../stacks/plan/operations.ts";
import type { Session } from "../provider/ssh/session.ts";
import type { ProxyClient } from "../proxy-client.ts";

/** What checks of a gateway on a machine are run against. */
export interface MachineTarget {
  readonly operations: OperationsPlan;
  readonly client: ProxyClient;
  readonly masterKey: string;
  /** By alias. */
  readonly staticKeys: Readonly<Record<string, string>>;
  /** @throws Error when the stack has no such machine */
  session(machine: MachineRole): Session;
}
