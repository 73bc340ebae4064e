import { spawnSync } from "node:child_process";
import { resolve } from "node:path";

import { expect, test } from "vitest";

import { BUILD_FLAGS } from "../../tools/stand-ins.ts";

// Stand-ins need Go; who has the official plugins does not.
const hasGo = spawnSync("go", ["version"]).status === 0;

test.skipIf(!hasGo)(
  "the stand-in plugins serve what the npm SDKs' typings say, and nothing else",
  () => {
    const { status, stdout, stderr } = spawnSync("go", ["test", ...BUILD_FLAGS, "./..."], {
      cwd: resolve("tools/toolchain"),
      encoding: "utf8",
      env: { ...process.env, CGO_ENABLED: "0" },
    });
    expect(status, `${stdout}${stderr}`).toBe(0);
    for (const plugin of ["docker", "postgresql", "random"]) {
      expect(stdout).toMatch(
        new RegExp(
          String.raw`^ok\s+litellm-gateway/toolchain/cmd/pulumi-resource-${plugin}\s`,
          "m",
        ),
      );
    }
  },
);
