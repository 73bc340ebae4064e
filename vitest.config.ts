import { defineConfig } from "vitest/config";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
/** Of what waits for real servers: on a busy machine one may miss its deadline. The report names it. */
const RETRIES = 1;

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts"],
          testTimeout: 20 * SECOND,
        },
      },
      {
        test: {
          name: "components",
          include: ["test/components/**/*.test.ts"],
          testTimeout: 20 * SECOND,
        },
      },
      {
        // Real processes, servers and Python environments, without Pulumi.
        test: {
          name: "provider",
          include: ["test/provider/**/*.test.ts"],
          retry: RETRIES,
          testTimeout: 2 * MINUTE,
          hookTimeout: 5 * MINUTE,
          fileParallelism: false,
        },
      },
      {
        // Real Pulumi against the docker, random and postgresql plugins that are present.
        test: {
          name: "conformance",
          include: ["test/conformance/**/*.test.ts"],
          testTimeout: 5 * MINUTE,
          hookTimeout: 10 * MINUTE,
          fileParallelism: false,
        },
      },
      {
        // Real deployments.
        test: {
          name: "engine",
          include: ["test/engine/**/*.test.ts"],
          retry: RETRIES,
          testTimeout: 10 * MINUTE,
          hookTimeout: 10 * MINUTE,
          fileParallelism: false,
        },
      },
    ],
  },
});
