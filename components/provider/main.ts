/** Entry of the provider plugin: Pulumi starts it and reads the port from its first line. */
import { flushCompileCache } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";

import manifest from "../../package.json" with { type: "json" };
import { readAbsentTarget } from "../absent-target.ts";
import { resources } from "./resources.ts";
import { serve } from "./server/server.ts";

const STOP_GRACE_MILLISECONDS = 10_000;
// Before anybody can know that this plugin is there, and end who has started it.
const parent = process.ppid;

const provider = await serve({
  name: "litellm",
  version: manifest.version,
  definitions: resources,
  isTargetAbsent: readAbsentTarget() !== undefined,
});
console.log(String(provider.port));

// Pulumi kills its plugins, and Node by itself would write the cache only at a regular exit.
flushCompileCache();

// A Pulumi that was killed outright leaves its plugins behind; nobody would ever stop this one.
setInterval(() => {
  if (process.ppid !== parent) {
    void Promise.race([provider.stop(), sleep(STOP_GRACE_MILLISECONDS)]).then(() => process.exit());
  }
}, 1000);
