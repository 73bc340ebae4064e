import { describe, expect, test } from "vitest";

import { renderFirewall, renderFirewallUnit } from "../../../templates/nftables.ts";

test("the port is open to the addresses and to the machine itself, and nothing else is touched", () => {
  const text = renderFirewall({ port: 5432, allowed: ["192.168.10.18", "10.0.0.0/8", "fd00::1"] });
  expect(text).toBe(
    [
      "# Rendered from the stack's settings: change those, not this file.",
      "table inet litellm",
      "delete table inet litellm",
      "table inet litellm {",
      "  chain input {",
      "    type filter hook input priority filter; policy accept;",
      '    iifname "lo" tcp dport 5432 accept',
      "    ip saddr { 192.168.10.18, 10.0.0.0/8 } tcp dport 5432 accept",
      "    ip6 saddr { fd00::1 } tcp dport 5432 accept",
      "    tcp dport 5432 reject with tcp reset",
      "  }",
      "}",
      "",
    ].join("\n"),
  );
  expect(renderFirewall({ port: 1, allowed: [] })).not.toContain("saddr");
});

describe("what is no IP address is refused", () => {
  test.each(["gateway.example", "10.0.0.1/33", "10.0.0.0/8/8", "10.0.0.1; flush ruleset", ""])(
    "%j",
    (address) => {
      expect(() => renderFirewall({ port: 5432, allowed: [address] })).toThrow(
        "the firewall can admit IP addresses only",
      );
    },
  );
});

test("the rules are loaded before the network, and again after Debian's own", () => {
  expect(renderFirewallUnit("/etc/litellm-firewall.nft").split("\n")).toEqual(
    expect.arrayContaining([
      "Before=network-pre.target shutdown.target",
      "PartOf=nftables.service",
      "ExecStart=/usr/sbin/nft -f /etc/litellm-firewall.nft",
      "ExecStop=-/usr/sbin/nft delete table inet litellm",
    ]),
  );
});
