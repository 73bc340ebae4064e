import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "vitest";

import { findUv } from "../../components/provider/host/uv.ts";

const path = process.env["PATH"];
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "uv with spaces "));
});

afterEach(() => {
  process.env["PATH"] = path;
  rmSync(folder, { recursive: true });
});

test("a pinned uv is installed by pip where the user has none", async () => {
  process.env["PATH"] = (path ?? "")
    .split(":")
    .filter((place) => !existsSync(join(place, "uv")))
    .join(":");
  const { program } = await findUv({ folder });
  expect(program.startsWith(folder)).toBe(true);
  expect(existsSync(program)).toBe(true);
});

test("without Python and uv the error says what to install", async () => {
  process.env["PATH"] = folder;
  await expect(findUv({ folder })).rejects.toThrow(
    /^Python ≥ 3\.10 with pip, or uv, is needed to install LiteLLM, and neither could be used:[^]*install uv: curl -LsSf https:\/\/astral\.sh\/uv\/install\.sh \| sh$/,
  );
});
