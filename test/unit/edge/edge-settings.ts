import { z } from "zod";

import { edgeShape, type EdgeSettings } from "../../../stacks/settings/edge-settings.ts";

/** Settings of a deployment behind Traefik, with defaults for what is not given. */
export function parseEdge(changes: object = {}): EdgeSettings {
  return z.strictObject(edgeShape).parse({
    baseDomain: "gateway.org",
    certificates: { email: "admin@gateway.org" },
    ...changes,
  });
}
