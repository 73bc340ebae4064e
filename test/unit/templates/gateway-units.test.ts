import { describe, expect, test } from "vitest";

import { renderGatewaySocket } from "../../../templates/gateway-socket.ts";
import { type GatewayUnitOptions, renderGatewayUnit } from "../../../templates/gateway-unit.ts";
import { renderTimedUnit, renderTimerUnit } from "../../../templates/timer-unit.ts";

const options: GatewayUnitOptions = {
  description: "LiteLLM gateway",
  user: "litellm",
  group: "litellm",
  python: "/opt/litellm/python-0123/bin/python",
  scripts: "/opt/litellm/bin",
  config: "/etc/litellm/litellm-config.yaml",
  environmentFile: "/etc/litellm/litellm.env",
  workingDirectory: "/opt/litellm",
  socket: "litellm-gateway.socket",
  workers: 2,
  stopGraceSeconds: 90,
  readWritePaths: ["/var/log/litellm", "/var/lib/litellm"],
  usesNode: false,
};

const linesOf = (text: string) => text.split("\n");

test("the gateway's unit has what the runbook asks for", () => {
  expect(linesOf(renderGatewayUnit(options))).toEqual(
    expect.arrayContaining([
      "User=litellm",
      "Group=litellm",
      "EnvironmentFile=/etc/litellm/litellm.env",
      "NoNewPrivileges=yes",
      "PrivateTmp=yes",
      "ProtectSystem=strict",
      "ProtectHome=yes",
      "ReadWritePaths=/var/log/litellm /var/lib/litellm",
      "LimitNOFILE=65536",
      "LimitNPROC=4096",
      "Restart=on-failure",
      "RestartSec=5",
      "TimeoutStartSec=300",
      "SuccessExitStatus=143",
      "WantedBy=multi-user.target",
    ]),
  );
});

test("requests have their grace, and the logs time beyond it, before the unit is killed", () => {
  const lines = linesOf(renderGatewayUnit(options));
  expect(lines).toContain("TimeoutStopSec=125");
  expect(lines).toContainEqual(expect.stringMatching(/^ExecStart=.* --graceful-timeout 90 /));
});

test("only a gateway that starts Node may turn memory into code", () => {
  expect(renderGatewayUnit(options)).toContain("MemoryDenyWriteExecute=yes\n");
  expect(renderGatewayUnit({ ...options, usesNode: true })).toContain(
    "MemoryDenyWriteExecute=no\n",
  );
});

test("the start waits for the database, and goes on without one that it can do without", () => {
  const database = { host: "db", port: 5432, database: "litellm_db", user: "litellm_user" };
  const wait = (isRequired: boolean, caFile?: string) =>
    linesOf(
      renderGatewayUnit({ ...options, waitForDatabase: { ...database, caFile, isRequired } }),
    ).find((line) => line.startsWith("ExecStartPre="));
  const command =
    "/opt/litellm/python-0123/bin/python /opt/litellm/bin/wait-for-database.py --host db --port 5432 --database litellm_db --user litellm_user";
  expect(wait(true)).toBe(`ExecStartPre=${command} --seconds 120`);
  expect(wait(false, "/etc/ca.pem")).toBe(
    `ExecStartPre=-${command} --ca-file /etc/ca.pem --seconds 120`,
  );
  expect(renderGatewayUnit(options)).not.toContain("ExecStartPre");
});

test("variables and memory are given where they are set", () => {
  const text = renderGatewayUnit({
    ...options,
    pythonPath: "/opt/litellm/request-log",
    environment: { REQUEST_LOG_SPILL_FILE: "/var/lib/litellm/spill 1%" },
    memoryMegabytes: 2048,
  });
  expect(linesOf(text)).toEqual(
    expect.arrayContaining([
      "Environment=PYTHONPATH=/opt/litellm/request-log",
      'Environment="REQUEST_LOG_SPILL_FILE=/var/lib/litellm/spill 1%%"',
      "MemoryMax=2048M",
    ]),
  );
  expect(renderGatewayUnit(options)).not.toMatch(/MemoryMax|PYTHONPATH/);
});

describe("the socket listens at", () => {
  test.each([
    ["192.168.10.18", "192.168.10.18:4000"],
    ["::", "[::]:4000"],
  ])("%s", (address, stream) => {
    const text = renderGatewaySocket({
      description: "LiteLLM's port",
      address,
      port: 4000,
      service: "litellm-gateway.service",
    });
    expect(linesOf(text)).toEqual(
      expect.arrayContaining([`ListenStream=${stream}`, "Service=litellm-gateway.service"]),
    );
  });
});

test("a timer runs its service daily, and as hardened as the gateway", () => {
  const timer = renderTimerUnit({ description: "retention", service: "retention.service" });
  expect(linesOf(timer)).toEqual(
    expect.arrayContaining(["Unit=retention.service", "OnCalendar=daily", "Persistent=yes"]),
  );
  const service = renderTimedUnit({
    description: "retention",
    user: "litellm",
    group: "litellm",
    command: ["/opt/litellm/bin/python", "-m", "litellm_request_log", "prune"],
    workingDirectory: "/opt/litellm",
    environmentFile: "/etc/litellm/litellm.env",
  });
  expect(linesOf(service)).toEqual(
    expect.arrayContaining([
      "Type=oneshot",
      "ExecStart=/opt/litellm/bin/python -m litellm_request_log prune",
      "EnvironmentFile=/etc/litellm/litellm.env",
      "ProtectSystem=strict",
    ]),
  );
  expect(service).not.toContain("ReadWritePaths");
});
