import { describe, expect, test } from "vitest";

import { renderSystemdEnvironmentFile } from "../../../templates/systemd-environment-file.ts";
import {
  formatCommand,
  formatText,
  formatWords,
  renderUnit,
} from "../../../templates/systemd-text.ts";

test("a unit is its sections, with a line for each of several values", () => {
  const text = renderUnit({
    Unit: { Description: formatText("100 % of it"), After: undefined },
    Service: { ExecStart: ["/bin/a", "/bin/b"], RestartSec: 5, PrivateTmp: true },
  });
  expect(text).toBe(
    [
      "# Rendered from the stack's settings: change those, not this file.",
      "",
      "[Unit]",
      "Description=100 %% of it",
      "",
      "[Service]",
      "ExecStart=/bin/a",
      "ExecStart=/bin/b",
      "RestartSec=5",
      "PrivateTmp=yes",
      "",
    ].join("\n"),
  );
});

describe("a value that would be more than its setting is refused", () => {
  test.each(["a\nUser=root", "a\rb", "a\\", "\ufdd0"])("%j", (value) => {
    expect(() => renderUnit({ Service: { WorkingDirectory: value } })).toThrow(
      "WorkingDirectory= of a unit must be one line",
    );
  });
});

test("arguments keep what systemd would replace", () => {
  expect(formatCommand(["/bin/echo", "plain", "", "$HOME", "50%", 'a "b" \\', "c\nd"])).toBe(
    '/bin/echo plain "" $$HOME 50%% "a \\"b\\" \\\\" "c\\nd"',
  );
  expect(formatWords(["A=$b %c", "/var/lib"])).toBe('"A=$b %%c" /var/lib');
});

describe("a program is named by its path alone", () => {
  test.each(["python", "-/bin/true", "/opt/a b/python", ""])("%j", (program) => {
    expect(() => formatCommand([program])).toThrow("name it by a plain, absolute path");
  });
});

test("values of an environment file are quoted for systemd", () => {
  const values = { KEY: "sk-1", ODD: `it's "$5" \\ \`x\` %n`, LINES: "one\ntwo" };
  expect(renderSystemdEnvironmentFile(values, ["Secrets."])).toBe(
    [
      "# Secrets.",
      'KEY="sk-1"',
      'ODD="it\'s \\"\\$5\\" \\\\ \\`x\\` %n"',
      'LINES="one\ntwo"',
      "",
    ].join("\n"),
  );
});

describe("what systemd would leave out of an environment is refused, and not shown", () => {
  test.each(["secret\0", "secret\ud800", "secret\ufffe", "secret\u{10ffff}"])("%j", (value) => {
    const render = () => renderSystemdEnvironmentFile({ KEY: value });
    expect(render).toThrow(/^the value of KEY \(not shown\)/);
    expect(render).not.toThrow(/secret/);
  });
  test("a name", () => {
    expect(() => renderSystemdEnvironmentFile({ "A B": "" })).toThrow('"A B" cannot be the name');
  });
});
