import { cpSync, globSync, mkdirSync, readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";

import type { Recipe } from "./build.ts";

/** What this machine trusts beside Debian's own list, so that what runs in a machine gets where we get. */
const CERTIFICATES = "/usr/local/share/ca-certificates/*.crt";

/** A bare Debian server with systemd and sshd, for deployments over SSH. See machine.ts. */
export const machineImage: Recipe = {
  image: "litellm-gateway/machine:1",
  folder: resolve(import.meta.dirname, "images/machine"),
  labels: {},
  base: "machine",
  ingredients: () =>
    Promise.resolve(
      globSync(CERTIFICATES)
        .sort()
        .map((file) => readFileSync(file, "utf8")),
    ),
  layOut(folder) {
    const certificates = join(folder, "certificates");
    mkdirSync(certificates, { recursive: true });
    for (const file of globSync(CERTIFICATES)) cpSync(file, join(certificates, basename(file)));
    return Promise.resolve({ certificates });
  },
};
