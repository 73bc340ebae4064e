/**
 * `npm run pulumi -- <arguments>`: the Pulumi CLI of this checkout with its state
 * backend and passphrase. PULUMI_BACKEND_URL, PULUMI_CONFIG_PASSPHRASE and an
 * earlier `pulumi login` are respected.
 */
import { openPulumi } from "./stack.ts";

const pulumi = await openPulumi();
process.exitCode = await pulumi.run(...process.argv.slice(2));
