import { execFileSync } from "node:child_process";

import { expect, test } from "vitest";

import {
  connection,
  formatMachine,
  formatSsh,
  listDestination,
} from "../../components/provider/ssh/connection.ts";
import { quote } from "../../components/provider/ssh/shell.ts";
import {
  explainSsh,
  explainSudo,
  MachineCommandError,
} from "../../components/provider/ssh/ssh-failure.ts";

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0Zd3C2f8f3yZ2uRr5WbYF1cXn2m0Vt7pS4qH6kLw8x";
const gateway = connection.parse({
  host: "192.168.10.18",
  port: 2222,
  user: "deploy",
  options: ["-i", "my key"],
  sudoPassword: "of sudo",
});

test("a connection is an address or an alias, and nothing that ssh takes for an option", () => {
  expect(connection.parse({ host: "gateway" })).toEqual({ host: "gateway", options: [] });
  expect(connection.safeParse({ host: "gateway", hostKey: `${KEY} comment` }).success).toBe(true);
  const wrong = [
    { host: "-oProxyCommand=id" },
    { host: "two words" },
    { host: "" },
    { host: "gateway", user: "-l" },
    { host: "gateway", port: 0 },
    { host: "gateway", hostKey: "SHA256:abc" },
    { host: "gateway", hostKey: `${KEY}\nother ${KEY}` },
    { host: "gateway", password: "none such" },
  ];
  for (const each of wrong) expect(connection.safeParse(each).success).toBe(false);
});

test("a machine and a command for it are shown as the user would write them", () => {
  expect(formatMachine(gateway)).toBe("deploy@192.168.10.18");
  expect(formatMachine({ user: undefined, host: "gateway" })).toBe("gateway");
  expect(formatSsh(gateway, "sudo mv 'a' b")).toBe(
    String.raw`ssh -i 'my key' -p 2222 deploy@192.168.10.18 'sudo mv '\''a'\'' b'`,
  );
  expect(listDestination(gateway)).toEqual([
    ...["-i", "my key", "-p", "2222", "-l", "deploy", "--", "192.168.10.18"],
  ]);
});

test("any text is one word of a command line", () => {
  const words = [
    "plain",
    "",
    "two words",
    "it's",
    '"$(id)`id`\\',
    "two\nlines",
    "*",
    "~",
    "✓",
    "!",
  ];
  const output = execFileSync("sh", ["-c", `printf '%s\\0' ${words.map(quote).join(" ")}`]);
  expect(output.toString("utf8").split("\0").slice(0, -1)).toEqual(words);
});

test.each([
  ["Connection timed out during banner exchange", "cannot be reached"],
  ["ssh: connect to host x port 22: Operation timed out", "cannot be reached"],
  ["ssh: connect to host x port 22: Network is unreachable", "cannot be reached"],
  ["Received disconnect from x: 2: Too many authentication failures", "does not let us in"],
  ["kex_exchange_identification: Connection closed by remote host", "closed the connection"],
  ["Connection closed by UNKNOWN port 65535", "closed the connection"],
  ["This account is currently not available.", "is an account without a shell"],
  ["something new", "ssh does not reach deploy@192.168.10.18; try it: ssh -i 'my key'"],
])("what ssh says becomes what is wrong: %s", (words, expected) => {
  const { message } = explainSsh(gateway, words);
  expect(message).toContain(expected);
  expect(message).toContain(`\nssh says:\n${words}`);
});

test("a key that has changed is told with the one that it shows, and with no advice on files of ours", () => {
  const { message } = explainSsh(
    { ...gateway, hostKey: KEY },
    [
      "@@@@@@@@@@@",
      "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @",
      "The fingerprint for the ED25519 key sent by the remote host is",
      "SHA256:abc.",
      "Please contact your system administrator.",
      "Offending ED25519 key in /tmp/litellm-ssh-0/123.key:1",
      "  remove with:",
      '  ssh-keygen -f "/tmp/litellm-ssh-0/123.key" -R "litellm-machine"',
      "Host key verification failed.",
    ].join("\n"),
  );
  expect(message).toMatch(
    /^deploy@192\.168\.10\.18 shows another key than the one that it is known by: .*\nssh says:\nThe fingerprint .*\nSHA256:abc\.\nHost key verification failed\.$/,
  );
});

test.each([
  ["sudo: a terminal is required to read the password", "wants a password"],
  ["deploy is not in the sudoers file.", "is not allowed to use sudo"],
  ["Sorry, user deploy may not run sudo on gateway.", "is not allowed to use sudo"],
  ["sudo: something new", "does not get us root; try it: ssh"],
])("what sudo says becomes what is wrong: %s", (words, expected) => {
  const { message } = explainSudo(gateway, words);
  expect(message).toContain(expected);
  expect(message).not.toContain("of sudo");
});

test("a failed script is told by its last lines", () => {
  const error = new MachineCommandError(gateway, { code: 2, stdout: "out", stderr: "a\nb\nc\n" });
  expect(error.message).toBe("a command on deploy@192.168.10.18 ended with status 2:\na\nb\nc");
  expect(error.lastLines(2)).toBe("b\nc");
  expect(error.isDiskFull).toBe(false);
  const silent = new MachineCommandError(gateway, { code: 2, stdout: "out\n", stderr: "" });
  expect(silent.lastLines()).toBe("out");
});
