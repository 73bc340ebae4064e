import { describe, expect, test } from "vitest";

import { isMoving, parseImage } from "../../../stacks/settings/image.ts";

const digest = `sha256:${"0".repeat(64)}`;

describe("the name of an image", () => {
  test.each([
    ["postgres:16", { repository: "postgres", tag: "16", digest: undefined }],
    [
      "ghcr.io/berriai/litellm:v1.106.2",
      { repository: "ghcr.io/berriai/litellm", tag: "v1.106.2", digest: undefined },
    ],
    [
      `registry.test:5000/a/b:1@${digest}`,
      { repository: "registry.test:5000/a/b", tag: "1", digest },
    ],
    [
      "registry.test:5000/a",
      { repository: "registry.test:5000/a", tag: undefined, digest: undefined },
    ],
  ])("%s has these parts", (text, parts) => {
    expect(parseImage(text)).toEqual(parts);
  });

  test.each(["", "Postgres:16", "postgres:", "postgres:1 6", "postgres@sha256:12", "a//b:1"])(
    "%j is none",
    (text) => {
      expect(parseImage(text)).toBeUndefined();
    },
  );
});

test.each([
  ["postgres", true],
  ["postgres:latest", true],
  ["ghcr.io/berriai/litellm:main-stable", true],
  ["postgres:16", false],
  ["ghcr.io/berriai/litellm:v1.106.2", false],
  [`postgres@${digest}`, false],
  [`postgres:latest@${digest}`, false],
])("%s may be another image tomorrow: %s", (text, moving) => {
  expect(isMoving(text)).toBe(moving);
});
