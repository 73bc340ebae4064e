import { spawn } from "node:child_process";
import {
  chown,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { z } from "zod";

import { findUser, type OperatingSystemUser } from "./operating-system-user.ts";
import { describeOtherVersion, readMajorVersion } from "./postgres-data.ts";
import type { ResourceDefinition } from "../resource.ts";

const inputs = z.strictObject({
  dataDirectory: z.string().min(1),
  distribution: z.string().min(1).meta({
    description: "Folder that holds PostgreSQL's bin, lib and share.",
  }),
  majorVersion: z.int().meta({ description: "Major version of that distribution." }),
  superuser: z.string().default("postgres"),
  superuserPassword: z.string().min(1),
  user: z.string().optional().meta({ description: "Owner of the data; only root can choose." }),
});

export type PostgresClusterInputs = z.output<typeof inputs>;

/**
 * An initialised PostgreSQL data directory: UTF8, C collation, data checksums, and
 * SCRAM-SHA-256 for every connection. Deleting it deletes the data.
 */
export const postgresCluster = {
  token: "litellm:host:PostgresCluster",
  inputs,
  computedOutputs: [],
  replaceOnChanges: ["dataDirectory"],
  deleteBeforeReplace: true,

  check(inputs, previous) {
    if (previous === undefined || previous.dataDirectory !== inputs.dataDirectory) {
      return [];
    }
    const reasons = {
      majorVersion: describeOtherVersion(
        inputs.dataDirectory,
        previous.majorVersion,
        inputs.majorVersion,
      ),
      superuser: "the superuser of existing data cannot be renamed",
      superuserPassword: "the superuser's password of existing data cannot be changed from here",
      user: `existing data belongs to ${previous.user ?? "whoever ran the deployment first"}; deploy as before`,
    };
    return Object.entries(reasons)
      .filter(([property]) => {
        const key = property as keyof typeof reasons;
        return inputs[key] !== previous[key];
      })
      .map(([property, reason]) => ({ property, reason }));
  },

  async create(context, inputs) {
    const existing = await readMajorVersion(inputs.dataDirectory);
    if (existing !== undefined && existing !== inputs.majorVersion) {
      throw new Error(describeOtherVersion(inputs.dataDirectory, existing, inputs.majorVersion));
    }
    await restoreSymlinks(inputs.distribution);
    if (existing === undefined) {
      context.log("initialising the data directory", { ephemeral: true });
      await initialise({ ...inputs, dataDirectory: resolve(inputs.dataDirectory) }, context.signal);
    }
    return { id: inputs.dataDirectory, outputs: {} };
  },

  async read(_context, id, { inputs }) {
    const majorVersion = await readMajorVersion(id);
    return majorVersion === undefined || inputs.distribution === undefined
      ? undefined
      : { inputs: { ...(inputs as PostgresClusterInputs), majorVersion }, outputs: {} };
  },

  async update(_context, _id, { inputs }) {
    await restoreSymlinks(inputs.distribution);
    return {};
  },

  async delete(_context, id) {
    await rm(id, { recursive: true, force: true });
  },
} satisfies ResourceDefinition<PostgresClusterInputs, object>;

/** npm packages cannot hold symbolic links; the distribution lists those it needs. */
async function restoreSymlinks(folder: string): Promise<void> {
  const distribution = resolve(folder);
  const list = await readFile(join(distribution, "pg-symlinks.json"), "utf8").catch(() => "[]");
  const root = dirname(distribution);
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(root, target);
    await mkdir(dirname(link), { recursive: true });
    if ((await stat(link).catch(() => undefined)) !== undefined) continue;
    // Dangling, or not there. Relative, so that it is still right when the folder is moved.
    await rm(link, { force: true });
    await symlink(relative(dirname(link), join(root, source)), link).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
        throw error;
      }
    });
  }
}

/** Made beside its place and moved there when complete, so that an interrupted start leaves no half cluster. */
async function initialise(inputs: PostgresClusterInputs, signal: AbortSignal): Promise<void> {
  const owner = inputs.user === undefined ? undefined : findUser(inputs.user);
  const parent = dirname(inputs.dataDirectory);
  await mkdir(parent, { recursive: true });
  if ((await stat(inputs.dataDirectory).catch(() => undefined)) !== undefined) {
    throw new Error(
      `${inputs.dataDirectory} exists and is no PostgreSQL data directory; set it aside: mv '${inputs.dataDirectory}' '${inputs.dataDirectory}.old'`,
    );
  }
  const scratch = await mkdtemp(join(parent, "initialising-"));
  try {
    const passwordFile = join(scratch, "password");
    const data = join(scratch, "data");
    await mkdir(data, { mode: 0o700 });
    await writeFile(passwordFile, inputs.superuserPassword, { mode: 0o600 });
    if (owner !== undefined) {
      for (const path of [scratch, data, passwordFile]) {
        await chown(path, owner.uid, owner.gid);
      }
    }
    await runInitdb(
      resolve(inputs.distribution, "bin", "initdb"),
      [
        `--pgdata=${data}`,
        `--username=${inputs.superuser}`,
        `--pwfile=${passwordFile}`,
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--data-checksums",
      ],
      owner,
      signal,
    );
    await rename(data, inputs.dataDirectory);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function runInitdb(
  program: string,
  arguments_: string[],
  owner: OperatingSystemUser | undefined,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((succeed, fail) => {
    const child = spawn(program, arguments_, {
      cwd: "/",
      stdio: ["ignore", "ignore", "pipe"],
      env: { PATH: process.env["PATH"], LC_ALL: "C" },
      signal,
      ...(owner !== undefined && { uid: owner.uid, gid: owner.gid }),
    });
    let messages = "";
    child.stderr.on("data", (chunk: Buffer) => (messages += chunk.toString("utf8")));
    child.once("error", fail);
    child.once("close", (code) => {
      if (code === 0) {
        succeed();
      } else {
        fail(new Error(`initdb ended with exit code ${String(code)}:\n${messages.trim()}`));
      }
    });
  });
}
