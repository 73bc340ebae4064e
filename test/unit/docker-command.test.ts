import { expect, test } from "vitest";

import { formatDockerCommand } from "../../components/docker-command.ts";
import type { DockerHostPlan } from "../../stacks/plan/plan.ts";

const engine: DockerHostPlan = {
  host: undefined,
  context: undefined,
  certificateFolder: undefined,
  sshOptions: [],
  registries: [],
};

test.each<[string, Partial<DockerHostPlan>, string]>([
  ["this machine's", {}, "docker info"],
  [
    "one by SSH",
    { host: "ssh://deploy@gateway.test" },
    "docker --host ssh://deploy@gateway.test info",
  ],
  [
    "one by SSH with options, which docker does not pass on",
    { host: "ssh://deploy@gateway.test:2222", sshOptions: ["-i", "it's a key"] },
    String.raw`ssh -l deploy -p 2222 -T -o BatchMode=yes -i 'it'\''s a key' -- gateway.test 'docker info'`,
  ],
  [
    "one by its IPv6 address",
    { host: "ssh://[2001:db8::1]", sshOptions: ["-4"] },
    "ssh -T -o BatchMode=yes -4 -- 2001:db8::1 'docker info'",
  ],
  [
    "one by TLS",
    { host: "tcp://gateway.test:2376", certificateFolder: "/home/me/my certificates" },
    "DOCKER_CERT_PATH='/home/me/my certificates' DOCKER_TLS_VERIFY=1 docker --host tcp://gateway.test:2376 info",
  ],
])("the command that asks an engine: %s", (_, where, command) => {
  expect(formatDockerCommand({ ...engine, ...where }, ["info"])).toBe(command);
});
