import { globSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

import { sha256 } from "../../stacks/sha256.ts";
import { type Base, ensureBase, hashBase } from "./base-image.ts";
import { docker, IMAGE_LABEL, readImageLabel } from "./docker.ts";
import { labPath } from "./folder.ts";

/** How to build an image. */
export interface Recipe {
  /** Name of the image, with its tag. */
  readonly image: string;
  /** Folder of the Dockerfile. */
  readonly folder: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Which of Debian's file systems the Dockerfile gets as its argument `BASE`. */
  readonly base?: Base;
  /** Values of the other arguments that the Dockerfile declares. */
  readonly arguments?: Readonly<Record<string, string>>;
  /** Texts that say what goes into the image, beside the folder of the Dockerfile. */
  ingredients(): Promise<readonly string[]>;
  /**
   * Lays out in `folder` what the Dockerfile copies. Returns folders, these or others, by
   * the names under which the Dockerfile knows them.
   *
   * @param log gets the lines that say what takes so long
   */
  layOut(folder: string, log: (line: string) => void): Promise<Readonly<Record<string, string>>>;
}

/** Builds an image unless it is there already, made from the same things. */
export async function ensureBuilt(recipe: Recipe, log: (line: string) => void): Promise<void> {
  const hash = await hashRecipe(recipe);
  if ((await readImageLabel(recipe.image, IMAGE_LABEL)) === hash) {
    return;
  }
  const started = Date.now();
  const scratch = labPath("build", recipe.image.replaceAll(/[/:]/g, "-"));
  rmSync(scratch, { recursive: true, force: true });
  const [base, contexts] = await Promise.all([
    provideBase(recipe, log),
    recipe.layOut(scratch, log),
  ]);
  log(`building ${recipe.image} …`);
  await docker([
    // What is downloaded has been laid out: a build needs neither network nor certificates.
    ...["buildx", "build", "--progress=plain", "--load", "--network=none"],
    ...toOptions("--build-arg", { ...recipe.arguments, ...base }),
    ...toOptions("--build-context", contexts),
    ...toOptions("--label", { ...recipe.labels, [IMAGE_LABEL]: hash }),
    `--tag=${recipe.image}`,
    recipe.folder,
  ]);
  rmSync(scratch, { recursive: true, force: true });
  log(`built ${recipe.image} in ${Math.round((Date.now() - started) / 1000)} s`);
}

async function provideBase(
  { base }: Recipe,
  log: (line: string) => void,
): Promise<Readonly<Record<string, string>>> {
  return base === undefined ? {} : { BASE: await ensureBase(base, log) };
}

function toOptions(name: string, values: Readonly<Record<string, string>>): string[] {
  return Object.entries(values).map(([key, value]) => `${name}=${key}=${value}`);
}

async function hashRecipe(recipe: Recipe): Promise<string> {
  const files = globSync("**", { cwd: recipe.folder, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  return sha256(
    JSON.stringify([
      recipe.base === undefined ? "" : hashBase(recipe.base),
      recipe.arguments,
      recipe.labels,
      await recipe.ingredients(),
      files.map((file) => [file.slice(recipe.folder.length), readFileSync(file, "utf8")]),
    ]),
  );
}
