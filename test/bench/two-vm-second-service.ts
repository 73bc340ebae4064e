import type { Machine } from "../lab/machine.ts";
import type { Endpoint } from "./benchmark.ts";
import { formatUrl, PROXY_PORT, type TwoVmGateway } from "./two-vm-gateway.ts";

const PORT = PROXY_PORT + 1;
const UNITS = "/etc/systemd/system";
const CONFIGURATION = "/etc/litellm/litellm-config.yaml";
const SECOND_CONFIGURATION = "/etc/litellm/second-config.yaml";

interface ServiceChanges {
  readonly unit?: (text: string) => string;
  readonly configuration?: (text: string) => string;
}

/**
 * Runs the gateway's service a second time on the same machine, with changes and on a port of its own,
 * for as long as `use` takes. Its files go with the machine.
 */
export async function withSecondService<Result>(
  { machines, endpoint }: TwoVmGateway,
  changes: ServiceChanges,
  use: (endpoint: Endpoint) => Promise<Result>,
): Promise<Result> {
  const { gateway } = machines;
  await placeFiles(gateway, changes);
  try {
    // systemd calls it started when it serves.
    await gateway.script("systemctl daemon-reload\nsystemctl start litellm-second.service");
    return await use({ ...endpoint, url: formatUrl(machines, PORT) });
  } finally {
    // While it runs, its user could not be deleted.
    await gateway.script("systemctl stop litellm-second.socket litellm-second.service");
  }
}

async function placeFiles(
  gateway: Machine,
  { unit = keep, configuration = keep }: ServiceChanges,
): Promise<void> {
  const copy = async (from: string, to: string, change: (text: string) => string) => {
    const text = await gateway.script(`cat ${from}`);
    const { code, stderr } = await gateway.execute(["tee", to], change(text));
    if (code !== 0) throw new Error(`${to} could not be written: ${stderr}`);
  };
  const rename = (text: string) => text.replaceAll("litellm-gateway", "litellm-second");
  await copy(CONFIGURATION, SECOND_CONFIGURATION, configuration);
  await copy(`${UNITS}/litellm-gateway.socket`, `${UNITS}/litellm-second.socket`, (text) =>
    rename(text).replace(`:${PROXY_PORT}`, `:${PORT}`),
  );
  await copy(`${UNITS}/litellm-gateway.service`, `${UNITS}/litellm-second.service`, (text) =>
    unit(rename(text).replace(CONFIGURATION, SECOND_CONFIGURATION)),
  );
}

const keep = (text: string): string => text;
