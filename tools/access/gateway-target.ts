import { readFileSync } from "node:fs";

import { observeCircumstances } from "../../components/circumstances.ts";
import { readProjectFile } from "../../components/project-file.ts";
import { type Connection, withoutSudo } from "../../components/provider/ssh/connection.ts";
import type { OperationContext } from "../../components/provider/resource.ts";
import type { ExistingPlan } from "../../stacks/plan/plan.ts";
import { planDeployment } from "../../stacks/plan/plan.ts";
import { parseSettings } from "../../stacks/settings/settings.ts";
import { selectSecrets } from "../../stacks/settings/stored-config.ts";
import { askHidden } from "../operations/passphrase.ts";
import type { Pulumi } from "../stack.ts";
import { readStackConfig, shortenStackName } from "../stack-settings.ts";

/** How long a gateway that is down is waited for: somebody sits there and waits too. */
const PATIENCE_SECONDS = 10;

/** A gateway, and how it is reached. */
export interface GatewayTarget {
  /** What it is called here: a stack or a URL. */
  readonly name: string;
  readonly url: string;
  readonly masterKey: string;
  readonly certificateAuthority?: string | undefined;
  readonly connectAddress?: string | undefined;
  readonly machine?: Connection | undefined;
}

interface StackOutputs {
  readonly topology?: string;
  readonly proxyUrl?: string;
  readonly masterKey?: string;
  readonly certificateAuthority?: string;
  readonly connectAddress?: string;
  readonly machines?: { readonly gateway: Connection };
}

/**
 * The gateway of a stack, as its last `up` left it; one that is run elsewhere as the settings say.
 *
 * @throws Error where the stack has none
 */
export async function targetStack(pulumi: Pulumi, stack: string): Promise<GatewayTarget> {
  const text = await pulumi.read("stack", "output", "--json", "--show-secrets", "--stack", stack);
  const { topology, proxyUrl, masterKey, machines, ...outputs } = JSON.parse(text) as StackOutputs;
  if (topology === undefined || topology === "existing") {
    const existing = await targetExisting(pulumi, stack);
    if (existing !== undefined) return existing;
  }
  if (proxyUrl === undefined || masterKey === undefined) {
    throw new Error(`stack ${stack} is not deployed; deploy it: npm start ${stack}`);
  }
  const { certificateAuthority, connectAddress } = outputs;
  return {
    ...{ name: stack, url: proxyUrl, masterKey, certificateAuthority, connectAddress },
    machine: machines?.gateway,
  };
}

/** The gateway at a URL. Its admin key comes from the environment, else it is asked for. */
export async function targetUrl(
  url: string,
  { caFile, variable }: { readonly caFile: string | undefined; readonly variable: string },
): Promise<GatewayTarget> {
  const given = process.env[variable] ?? "";
  const masterKey =
    given === ""
      ? await askHidden(`admin key of ${url}: `, `${variable}=… before the command`, "admin key")
      : given;
  const certificateAuthority = caFile === undefined ? undefined : readCertificates(caFile);
  return { name: url, url, masterKey, certificateAuthority };
}

/** A context in which the resources look at a gateway. */
export function openContext(
  { url, masterKey, certificateAuthority, connectAddress, machine }: GatewayTarget,
  signal: AbortSignal,
): OperationContext {
  return {
    urn: "urn:pulumi:none::none::litellm:index:Access::access",
    signal,
    configuration: {
      ...{ url, masterKey, certificateAuthority, connectAddress, machine },
      patienceSeconds: PATIENCE_SECONDS,
    },
    conceal: () => undefined,
    log: (message) => {
      console.error(message);
    },
  };
}

async function targetExisting(pulumi: Pulumi, stack: string): Promise<GatewayTarget | undefined> {
  const raw = await readStackConfig(pulumi, stack);
  const settings = parseSettings(raw, readProjectFile);
  if (settings.deployment.topology !== "existing") return undefined;
  const circumstances = observeCircumstances(shortenStackName(stack), settings);
  const plan = planDeployment(settings, circumstances) as ExistingPlan;
  const { proxyUrl: url, certificateAuthority, connectAddress, machine } = plan;
  const { masterKey = "" } = selectSecrets(settings.secretNames, raw);
  return {
    ...{ name: stack, url, masterKey, certificateAuthority, connectAddress },
    ...(machine !== undefined && { machine: connect(machine) }),
  };
}

/** A host key that is learnt is known to the stack's state only. */
function connect({ hostKey, ...machine }: NonNullable<ExistingPlan["machine"]>): Connection {
  return withoutSudo(hostKey === "learn" ? machine : { ...machine, hostKey });
}

function readCertificates(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${reason}; it goes: --ca FILE, with the certificate authority as PEM`, {
      cause: error,
    });
  }
}
