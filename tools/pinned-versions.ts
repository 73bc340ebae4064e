import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The versions of Pulumi's parts that fit the npm packages installed in this checkout. */
export interface PinnedVersions {
  /** Of the CLI; the same as that of @pulumi/pulumi. */
  readonly cli: string;
  /** Of each provider plugin, by name: an npm SDK asks for exactly its own version. */
  readonly plugins: Readonly<Record<string, string>>;
}

interface Manifest {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly pulumi?: { readonly resource?: boolean; readonly name?: string };
}

/**
 * Reads the versions from node_modules.
 *
 * @throws Error when the packages are not installed
 */
export function readPinnedVersions(checkout: string): PinnedVersions {
  const readManifest = (...folder: string[]): Manifest =>
    JSON.parse(readFileSync(join(checkout, ...folder, "package.json"), "utf8")) as Manifest;
  const packages = Object.keys(readManifest().dependencies).filter((name) =>
    name.startsWith("@pulumi/"),
  );
  const plugins = packages.flatMap((name) => {
    const { version, pulumi } = readManifest("node_modules", name);
    return pulumi?.resource === true
      ? [[pulumi.name ?? name.slice("@pulumi/".length), version] as const]
      : [];
  });
  return {
    cli: readManifest("node_modules", "@pulumi/pulumi").version,
    plugins: Object.fromEntries(plugins),
  };
}
