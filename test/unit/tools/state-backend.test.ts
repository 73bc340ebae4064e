import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "vitest";

import { ensureStateBackend } from "../../../tools/state-backend.ts";

let checkout: string;
let pulumiHome: string;

beforeEach(() => {
  checkout = mkdtempSync(join(tmpdir(), "check out 100% "));
  pulumiHome = join(checkout, "home");
  mkdirSync(pulumiHome);
});

afterEach(() => {
  rmSync(checkout, { recursive: true });
});

const ensure = (environment: Record<string, string> = {}) =>
  ensureStateBackend({ PULUMI_HOME: pulumiHome, ...environment }, checkout);
const logIn = (backend: string) => {
  writeFileSync(join(pulumiHome, "credentials.json"), JSON.stringify({ current: backend }));
};
const backend = () => join(checkout, ".stacks/backend");
const url = () => `file://${backend().replace("%", "%25")}`;
const passphraseFile = () => join(checkout, ".stacks/passphrase");

test("makes a backend and a passphrase that only the user can read, once", () => {
  const first = ensure();
  expect(first).toEqual({
    PULUMI_BACKEND_URL: url(),
    PULUMI_CONFIG_PASSPHRASE_FILE: passphraseFile(),
  });
  expect(statSync(backend()).mode & 0o777).toBe(0o700);
  expect(statSync(passphraseFile()).mode & 0o777).toBe(0o600);
  const passphrase = readFileSync(passphraseFile(), "utf8");
  expect(Buffer.from(passphrase, "base64url")).toHaveLength(32);
  expect(ensure()).toEqual(first);
  expect(readFileSync(passphraseFile(), "utf8")).toBe(passphrase);
});

test("keeps a backend that is set or logged in to, and makes nothing", () => {
  expect(ensure({ PULUMI_BACKEND_URL: "s3://states" })).toEqual({});
  logIn("https://api.pulumi.com");
  expect(ensure()).toEqual({});
  expect(ensure({ PULUMI_CREDENTIALS_PATH: pulumiHome, PULUMI_HOME: "/nowhere" })).toEqual({});
  expect(existsSync(join(checkout, ".stacks"))).toBe(false);
});

test("takes a login to the checkout's own backend for no choice", () => {
  logIn(url());
  expect(ensure()).toHaveProperty("PULUMI_CONFIG_PASSPHRASE_FILE", passphraseFile());
  logIn("");
  expect(ensure()).toHaveProperty("PULUMI_BACKEND_URL", url());
});

test.each([{ PULUMI_CONFIG_PASSPHRASE: "" }, { PULUMI_CONFIG_PASSPHRASE_FILE: "/run/secrets/p" }])(
  "keeps the user's passphrase: %o",
  (environment) => {
    expect(ensure(environment)).toEqual({ PULUMI_BACKEND_URL: url() });
    expect(existsSync(passphraseFile())).toBe(false);
  },
);

test("makes no new passphrase for stacks whose own is gone", () => {
  ensure();
  const stack = join(backend(), ".pulumi/stacks/litellm-gateway/dev.json");
  mkdirSync(join(stack, ".."), { recursive: true });
  writeFileSync(stack, "{}");
  rmSync(passphraseFile());
  expect(() => ensure()).toThrow(
    `${passphraseFile()} is missing, the passphrase of the stacks in ${backend()} (litellm-gateway/dev …); put it back, or give it in PULUMI_CONFIG_PASSPHRASE. Without it their secrets are lost: if nothing of them runs any more, start anew: rm -r '${join(checkout, ".stacks")}'`,
  );
  expect(ensure({ PULUMI_CONFIG_PASSPHRASE: "kept elsewhere" })).toEqual({
    PULUMI_BACKEND_URL: url(),
  });
});
