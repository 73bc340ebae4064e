import type { MachineSettings } from "../settings/machine-settings.ts";
import type { MachinePlan } from "./machine-plan.ts";

/** Names of the secrets that sudo asks for, by what a machine is for. */
const sudoPasswords: Readonly<Record<MachinePlan["role"], string>> = {
  gateway: "gatewaySudoPassword",
  database: "databaseSudoPassword",
};

/** How a machine is reached. */
export function planMachine(
  role: MachinePlan["role"],
  { address, ssh }: MachineSettings,
  secretNames: readonly string[],
): MachinePlan {
  const { host = address, port, user, options, hostKey } = ssh;
  const sudoPassword = sudoPasswords[role];
  return {
    role,
    host,
    port,
    user,
    options,
    hostKey,
    sudoPassword: secretNames.includes(sudoPassword) ? sudoPassword : undefined,
  };
}
