import { spawnSync } from "node:child_process";
import { resolve } from "node:path";

import { expect, test } from "vitest";

// Stand-ins need Go; who has the official plugins does not.
const hasGo = spawnSync("go", ["version"]).status === 0;

test.skipIf(!hasGo)(
  "the stand-in plugins have every property and token of the npm SDKs, and no other",
  () => {
    const { status, stdout, stderr } = spawnSync("go", ["test", "./..."], {
      cwd: resolve("tools/toolchain"),
      encoding: "utf8",
      env: { ...process.env, CGO_ENABLED: "0" },
    });
    expect(status, `${stdout}${stderr}`).toBe(0);
    expect(stdout).toMatch(/^ok\s+litellm-gateway\/toolchain\/cmd\/pulumi-resource-random/m);
    expect(stdout).toMatch(/^ok\s+litellm-gateway\/toolchain\/cmd\/pulumi-resource-postgresql/m);
  },
);
