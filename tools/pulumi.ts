/**
 * `npm run pulumi -- <arguments>`: the Pulumi CLI of this checkout with its state
 * backend and passphrase. PULUMI_BACKEND_URL, PULUMI_CONFIG_PASSPHRASE and an
 * earlier `pulumi login` are respected.
 */
import { openPulumi } from "./stack.ts";

const pulumi = await openPulumi();
// Ctrl-C reaches Pulumi from the terminal; it winds up its work, and we wait for that.
process.on("SIGINT", () => undefined);
process.exitCode = await pulumi.run(...process.argv.slice(2));
