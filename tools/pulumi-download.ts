import { spawnSync } from "node:child_process";

const DOWNLOADS = "https://get.pulumi.com";
const REACH_MILLISECONDS = 8_000;
const DOWNLOAD_MILLISECONDS = 300_000;

let reach: Promise<string | undefined> | undefined;

/** Why Pulumi's official downloads cannot be reached, undefined where they can; asked once. */
export function findDownloadProblem(): Promise<string | undefined> {
  reach ??= fetch(DOWNLOADS, {
    method: "HEAD",
    signal: AbortSignal.timeout(REACH_MILLISECONDS),
  }).then(
    () => undefined,
    (error: unknown) => `${DOWNLOADS}: ${summarise(error)}`,
  );
  return reach;
}

/**
 * Downloads the official CLI of the version of @pulumi/pulumi into `root`/bin.
 *
 * @throws Error in one line
 */
export async function downloadCli(root: string): Promise<void> {
  // Only here: the package takes a second to load.
  const { PulumiCommand } = await import("@pulumi/pulumi/automation/index.js");
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`no end after ${DOWNLOAD_MILLISECONDS / 1000} s`));
    }, DOWNLOAD_MILLISECONDS);
  });
  try {
    await Promise.race([PulumiCommand.install({ root }), deadline]);
  } catch (error) {
    throw new Error(`the Pulumi CLI could not be downloaded: ${summarise(error)}`, {
      cause: error,
    });
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Downloads an official provider plugin into the PULUMI_HOME of an environment, over what is there.
 *
 * @throws Error in one line
 */
export function downloadPlugin(
  pulumi: string,
  name: string,
  version: string,
  environment: NodeJS.ProcessEnv,
): void {
  const { status, stderr, error } = spawnSync(
    pulumi,
    ["plugin", "install", "resource", name, version, "--reinstall"],
    {
      encoding: "utf8",
      timeout: DOWNLOAD_MILLISECONDS,
      env: { ...environment, PULUMI_SKIP_UPDATE_CHECK: "true" },
    },
  );
  if (status !== 0) {
    throw new Error(
      `the Pulumi plugin ${name} ${version} could not be downloaded: ${error?.message ?? stderr.trim()}`,
    );
  }
}

function summarise(error: unknown): string {
  const { message, cause } = error as Error;
  const [line = ""] = (cause instanceof Error ? cause.message : message).split("\n");
  return line;
}
