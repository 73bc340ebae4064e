import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { findGatewayObstacles } from "../../components/preflight/existing-gateway.ts";
import { runChecks } from "../../components/verification/run-check.ts";
import type { MachinePlan } from "../../stacks/plan/machine-plan.ts";
import { type ExistingPlan, planDeployment } from "../../stacks/plan/plan.ts";
import { parseSettings } from "../../stacks/settings/settings.ts";
import { labMachines } from "../lab/machine.ts";
import { imagineCircumstances } from "../support/circumstances.ts";
import { type SshLab, startSshLab } from "../support/ssh-lab.ts";

const available = labMachines();
const MASTER_KEY = "sk-master-of-this-test";
/** Only the machine itself sees it. */
const URL = "http://127.0.0.1:4000";

describe.skipIf(!available.available)(`a gateway behind a machine ${available.reason}`, () => {
  let lab: SshLab;

  beforeAll(async () => {
    lab = await startSshLab(`existing-${process.pid}`);
    await lab.machine.script(`
      cat > /run/gateway.py <<'END'
import http.server, json
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        manages = self.path.startswith(("/key/", "/user/"))
        refused = manages and self.headers["authorization"] != "Bearer ${MASTER_KEY}"
        self.send_response(401 if refused else 200)
        self.end_headers()
        self.wfile.write(json.dumps({"db": "connected"}).encode())
http.server.ThreadingHTTPServer(("127.0.0.1", 4000), Handler).serve_forever()
END
      systemd-run --quiet --unit=gateway python3 /run/gateway.py
      until ss -ltn | grep -q :4000; do sleep 0.1; done`);
  });

  afterAll(async () => {
    await lab.remove();
  });

  const plan = (changes: Partial<MachinePlan> = {}): ExistingPlan => {
    const { host, port, user, options, hostKey } = lab.connect("plain");
    const settings = parseSettings({
      plain: {
        deployment: { topology: "existing", url: URL, machine: { address: "192.0.2.1" } },
      },
      secret: { masterKey: MASTER_KEY },
    });
    const planned = planDeployment(settings, imagineCircumstances()) as ExistingPlan;
    if (planned.machine === undefined) throw new Error("no machine was planned");
    const machine = { ...planned.machine, host, port, user, options, hostKey, ...changes };
    return { ...planned, machine };
  };

  test("is asked, and checked, as the machine sees it", async () => {
    expect(await findGatewayObstacles(plan(), MASTER_KEY)).toEqual([]);
    expect(await findGatewayObstacles(plan(), "sk-another")).toEqual([
      `masterKey is no key of the gateway at ${URL}; set its master key: pulumi config set --secret masterKey`,
    ]);
    const target = { proxyUrl: URL, masterKey: MASTER_KEY };
    const results = await runChecks(plan().checks, { ...target, machine: lab.connect("plain") });
    expect(results.map(({ passed }) => passed)).toEqual([true, true, true]);
  });

  test("that cannot be reached is told, once for all checks", async () => {
    const options = [...lab.connect("plain").options, "-o", "ConnectTimeout=2"];
    const [obstacle = ""] = await findGatewayObstacles(
      plan({ host: lab.emptyAddress, options }),
      MASTER_KEY,
    );
    expect(obstacle).toContain(lab.emptyAddress);
    const results = await runChecks(plan().checks, {
      proxyUrl: URL,
      masterKey: MASTER_KEY,
      machine: lab.connect("plain", { host: lab.emptyAddress, options }),
    });
    expect(results.map(({ passed }) => passed)).toEqual([false, false, false]);
    expect(results[0]?.detail).toContain(lab.emptyAddress);
  });

  test("with a host key that is still to be learnt is left to the deployment", async () => {
    expect(await findGatewayObstacles(plan({ hostKey: "learn" }), "sk-another")).toEqual([]);
  });
});
