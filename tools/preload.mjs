/**
 * Loaded before the Pulumi program (Pulumi.yaml, `nodeargs`): takes half of the time from the start
 * of every preview and up. Changes nothing but when things are loaded, and how stack traces read.
 */
import Module, { enableCompileCache } from "node:module";
import { join } from "node:path";

enableCompileCache(join(import.meta.dirname, "../.toolchain/node-compile-cache"));

// Pulumi notes a stack trace for every resource, and its SDK installs a translator that reads the
// source map of each file in it. Types that are stripped leave every line where it was: there is
// nothing to translate.
Object.defineProperty(Error, "prepareStackTrace", { get: () => undefined, set: () => undefined });

// Pulumi's SDK loads these, 540 modules, for turning functions into text, which this program never
// asks for: they are loaded when it does. (Node's documented hooks would switch the cache off.)
const LAZY = ["typescript", "@npmcli/arborist"];

/** @typedef {(request: string, parent: unknown, isMain: boolean) => Record<PropertyKey, unknown>} Load */
/** @type {{ _load: Load }} */
// @ts-expect-error: Node's typings leave it out.
const loader = Module;
const load = loader._load;

loader._load = (request, parent, isMain) => {
  const file = /** @type {{ filename?: string } | undefined} */ (parent)?.filename;
  if (!LAZY.includes(request) || file?.includes("/@pulumi/pulumi/") !== true) {
    return load(request, parent, isMain);
  }
  return new Proxy(
    {},
    {
      get(_, name) {
        if (name === "__esModule") {
          return true; // or the SDK would ask for everything that is in it
        }
        const loaded = load(request, parent, isMain);
        return name === "default" ? loaded : loaded[name];
      },
    },
  );
};
