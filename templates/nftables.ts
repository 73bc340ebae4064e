import { isIP, isIPv6 } from "node:net";

import { formatCommand, formatText, renderUnit } from "./systemd-text.ts";

/** Name of the one table that is ours; nothing else of the machine's packet filter is touched. */
const TABLE = "inet litellm";
const NFT = "/usr/sbin/nft";

export interface FirewallOptions {
  /** The port that is closed to others. Every other port, SSH's among them, stays as it is. */
  readonly port: number;
  /** IP addresses that may connect, each with a prefix length or without; the machine itself always may. */
  readonly allowed: readonly string[];
}

/**
 * Rules for `nft -f`: they replace the table in one step, whether it exists or not.
 *
 * @throws Error for what is no IP address: a name would be looked up once, at boot
 */
export function renderFirewall({ port, allowed }: FirewallOptions): string {
  const accept = (protocol: "ip" | "ip6", addresses: readonly string[]) =>
    addresses.length === 0
      ? []
      : [`${protocol} saddr { ${addresses.join(", ")} } tcp dport ${port} accept`];
  const addresses = allowed.map(requireAddress);
  const rules = [
    "type filter hook input priority filter; policy accept;",
    `iifname "lo" tcp dport ${port} accept`,
    ...accept(
      "ip",
      addresses.filter((address) => !address.includes(":")),
    ),
    ...accept(
      "ip6",
      addresses.filter((address) => address.includes(":")),
    ),
    `tcp dport ${port} reject with tcp reset`,
  ];
  return [
    "# Rendered from the stack's settings: change those, not this file.",
    // A table that does not exist cannot be deleted; one that exists can be declared again.
    `table ${TABLE}`,
    `delete table ${TABLE}`,
    `table ${TABLE} {`,
    "  chain input {",
    ...rules.map((rule) => `    ${rule}`),
    "  }",
    "}",
    "",
  ].join("\n");
}

/**
 * The service that loads these rules before the network is up, and takes them away when it stops.
 *
 * @param rules file with the text of {@link renderFirewall}
 */
export function renderFirewallUnit(rules: string): string {
  const load = formatCommand([NFT, "-f", rules]);
  return renderUnit({
    Unit: {
      Description: formatText("Firewall of LiteLLM's database"),
      DefaultDependencies: false,
      Conflicts: "shutdown.target",
      Before: "network-pre.target shutdown.target",
      Wants: "network-pre.target",
      // Debian's own service empties the whole packet filter each time that it loads its rules.
      After: "nftables.service",
      PartOf: "nftables.service",
      ReloadPropagatedFrom: "nftables.service",
    },
    Service: {
      Type: "oneshot",
      RemainAfterExit: true,
      ExecStart: load,
      ExecReload: load,
      // Somebody else may have taken the table away already.
      ExecStop: `-${formatCommand([NFT, "delete", "table", ...TABLE.split(" ")])}`,
      CapabilityBoundingSet: "CAP_NET_ADMIN",
      NoNewPrivileges: true,
      PrivateDevices: true,
      ProtectHome: true,
      ProtectSystem: "strict",
      RestrictAddressFamilies: "AF_NETLINK AF_UNIX",
      SystemCallArchitectures: "native",
    },
    Install: { WantedBy: "sysinit.target" },
  });
}

function requireAddress(text: string): string {
  const [address = "", length, ...rest] = text.split("/");
  const bits = isIPv6(address) ? 128 : 32;
  const isLength = length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= bits);
  if (isIP(address) === 0 || !isLength || rest.length > 0) {
    throw new Error(
      `the firewall can admit IP addresses only, such as 192.168.10.18 or 10.0.0.0/8, and not ${JSON.stringify(text)}; look it up: getent hosts ${address}`,
    );
  }
  return text;
}
