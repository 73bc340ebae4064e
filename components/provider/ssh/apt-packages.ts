import { z } from "zod";

import { sha256 } from "../../../stacks/sha256.ts";
import {
  installPackages,
  listInstalled,
  LOCK_DEADLINE_SECONDS,
  openApt,
  removePackages,
  withApt,
  type Apt,
  type InstalledPackage,
} from "./apt.ts";
import { connection, formatMachine, formatSsh } from "./connection.ts";
import { readOperatingSystem } from "./operating-system.ts";
import type { OperationContext, ResourceDefinition } from "../resource.ts";
import { openSession } from "./session.ts";

const inputs = z.strictObject({
  connection,
  packages: z
    .array(
      z
        .string()
        .regex(/^[a-z0-9][a-z0-9+.-]+(=[\w.+~:*-]+)?$/, 'must be such as "name" or "name=17.6-1"'),
    )
    .min(1)
    .meta({
      description:
        'Names of packages, each with a version where that is given: "name=version", in which * stands for anything. Without one, what is installed stays.',
    }),
  purge: z.boolean().default(false).meta({
    description:
      "When they are removed, their configuration goes as well, and of a PostgreSQL server all its data.",
  }),
  lockDeadlineSeconds: z.number().positive().default(LOCK_DEADLINE_SECONDS).meta({
    description: "Longest wait for another program that uses apt.",
  }),
});

export type AptPackagesInputs = z.output<typeof inputs>;

export interface AptPackagesOutputs {
  /** Installed version of each package asked for. */
  readonly versions: Readonly<Record<string, string>>;
  /** Names of all packages that were not on the machine before: what is removed at the end. */
  readonly added: readonly string[];
}

/**
 * Debian packages on a machine, without what they recommend. What was installed already stays when
 * the resource is deleted, and so does what others have come to need.
 */
export const aptPackages = {
  token: "litellm:ssh:AptPackages",
  inputs,
  computedOutputs: ["versions", "added"],
  volatileOutputs: ["versions", "added"],
  locatedBy: ["connection"],
  observeBeforeUpdate: true,

  async create(context, inputs) {
    const id = inputs.packages.map(nameOf).join(",");
    return { id, outputs: await ensure(context, id, inputs, []) };
  },

  async read({ signal }, _id, { inputs, outputs }) {
    if (inputs.packages === undefined || inputs.connection === undefined) {
      return undefined; // cannot be imported: nobody knows which packages it is about
    }
    const known = inputs as AptPackagesInputs;
    const names = known.packages.map(nameOf);
    const installed = await listInstalled(openSession(known.connection, signal), names);
    if (installed.length === 0) {
      return undefined;
    }
    return {
      inputs: { ...known, packages: known.packages.flatMap((each) => describe(each, installed)) },
      outputs: { versions: toVersions(installed), added: outputs.added ?? [] },
    };
  },

  async update(context, id, { inputs, previousInputs, outputs }) {
    const names = inputs.packages.map(nameOf);
    const { added } = outputs;
    const dropped = previousInputs.packages
      .map(nameOf)
      .filter((name) => !names.includes(name) && added.includes(name));
    const updated = await ensure(context, id, inputs, added);
    if (dropped.length === 0) {
      return updated;
    }
    const apt = openApt(context, inputs);
    await withApt(apt, () => removePackages(apt, dropped, added, verbOf(inputs)));
    return { ...updated, added: await keepInstalled(apt, updated.added) };
  },

  async delete(context, id, { inputs, outputs }) {
    // Pulumi deletes what was replaced or renamed last, when the same packages are in use again.
    if (ensured.has(identify(inputs, id))) {
      return;
    }
    const apt = openApt(context, inputs);
    const installed = await listInstalled(apt.session, inputs.packages.map(nameOf));
    const names = installed.map(({ name }) => name).filter((name) => outputs.added.includes(name));
    await withApt(apt, () => removePackages(apt, names, outputs.added, verbOf(inputs)));
  },
} satisfies ResourceDefinition<AptPackagesInputs, AptPackagesOutputs>;

/** What this deployment has made. */
const ensured = new Set<string>();

const identify = ({ connection }: AptPackagesInputs, id: string): string =>
  `${connection.host} ${id}`;

const nameOf = (each: string): string => each.replace(/=.*/, "");
const verbOf = ({ purge }: AptPackagesInputs) => (purge ? "purge" : "remove");

async function ensure(
  context: OperationContext,
  id: string,
  inputs: AptPackagesInputs,
  alreadyAdded: readonly string[],
): Promise<AptPackagesOutputs> {
  const apt = openApt(context, inputs);
  await readOperatingSystem(apt.session);
  return withApt(apt, async () => {
    const names = inputs.packages.map(nameOf);
    const before = await listInstalled(apt.session, names);
    const missing = inputs.packages.filter((each) => !isThere(each, before));
    let added = [...alreadyAdded];
    if (missing.length > 0) {
      const note = `/var/lib/dpkg/litellm-${sha256(id).slice(0, 12)}.before`;
      added = await keepInstalled(apt, [
        ...alreadyAdded,
        ...(await installPackages(apt, missing, note)),
      ]);
    }
    const installed = missing.length === 0 ? before : await listInstalled(apt.session, names);
    const absent = inputs.packages.find((each) => !isThere(each, installed));
    if (absent !== undefined) {
      throw new Error(
        `${absent} is no package of its own on ${formatMachine(inputs.connection)}; name the one that provides it; see: ${formatSsh(inputs.connection, `apt-cache showpkg ${nameOf(absent)}`)}`,
      );
    }
    ensured.add(identify(inputs, id));
    return { versions: toVersions(installed), added: [...new Set(added)].sort() };
  });
}

/** A machine that was made anew has lost what was added to the old one. */
async function keepInstalled({ session }: Apt, names: readonly string[]): Promise<string[]> {
  const found = await listInstalled(session, names);
  return names.filter((each) => found.some(({ name }) => name === each));
}

function isThere(each: string, installed: readonly InstalledPackage[]): boolean {
  const found = installed.find(({ name }) => name === nameOf(each));
  return found !== undefined && fits(each, found.version);
}

/** As the user writes it where it fits; what is there where it does not; nothing where it is missing. */
function describe(each: string, installed: readonly InstalledPackage[]): string[] {
  const found = installed.find(({ name }) => name === nameOf(each));
  if (found === undefined) {
    return [];
  }
  return [fits(each, found.version) ? each : `${found.name}=${found.version}`];
}

function fits(each: string, version: string): boolean {
  const [, wanted] = each.split("=");
  if (wanted === undefined) {
    return true;
  }
  const parts = wanted.split("*").map((part) => part.replaceAll(/[.+^$]/g, String.raw`\$&`));
  return new RegExp(`^${parts.join(".*")}$`).test(version);
}

const toVersions = (installed: readonly InstalledPackage[]): Record<string, string> =>
  Object.fromEntries(installed.map(({ name, version }) => [name, version]));
