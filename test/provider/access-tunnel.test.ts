import { setTimeout as sleep } from "node:timers/promises";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { Unavailable } from "../../components/provider/access/api-failure.ts";
import { gatewayConnection } from "../../components/provider/access/connection.ts";
import { GatewayApi } from "../../components/provider/access/gateway-api.ts";
import { closeSessions } from "../../components/provider/ssh/session.ts";
import { labMachines } from "../lab/machine.ts";
import { type SshLab, startSshLab } from "../support/ssh-lab.ts";

const available = labMachines();
const PORT = 4000;
const { signal } = new AbortController();

describe.skipIf(!available.available)(`a gateway behind a machine ${available.reason}`, () => {
  let lab: SshLab;
  let api: GatewayApi;

  beforeAll(async () => {
    lab = await startSshLab(`access-tunnel-${process.pid}`);
    // It says what it was asked, late enough to be cancelled meanwhile.
    await lab.machine.script(`
      cat > /run/gateway.py <<'END'
import http.server, json, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        time.sleep(0.2)
        body = json.dumps({"path": self.path, "key": self.headers["Authorization"]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("127.0.0.1", ${PORT}), Handler).serve_forever()
END
      systemd-run --quiet --unit=gateway python3 /run/gateway.py
      until ss -ltn | grep -q :${PORT}; do sleep 0.1; done`);
    api = open("plain");
  });

  afterAll(async () => {
    await api.close();
    await lab.remove();
  });

  function open(user: string, changes: object = {}): GatewayApi {
    const connection = {
      url: `http://127.0.0.1:${PORT}/litellm`,
      masterKey: "sk-1",
      machine: JSON.stringify(lab.connect(user, changes)),
      patienceSeconds: 20,
    };
    return new GatewayApi(gatewayConnection.parse(connection));
  }

  const ask = () => api.call({ path: "/team/list", signal });
  const ANSWER = { path: "/litellm/team/list", key: "Bearer sk-1" };

  test("answers others when the first request was cancelled", async () => {
    const cancellation = new AbortController();
    const first = api.call({ path: "/first", signal: cancellation.signal });
    const second = ask();
    await sleep(100);
    cancellation.abort(new Error("cancelled"));
    await expect(first).rejects.toThrow("cancelled");
    expect(await second).toEqual(ANSWER);
    expect(await ask()).toEqual(ANSWER);
  });

  test("is reached again when the connection to the machine has ended", async () => {
    await closeSessions();
    expect(await ask()).toEqual(ANSWER);
    await lab.machine.script("pkill -u plain sshd");
    expect(await ask()).toEqual(ANSWER);
  });

  test("that cannot be reached is said to be in ssh's words, at once", async () => {
    const before = performance.now();
    const error: unknown = await open("plain", { host: "127.0.0.1", port: 1 })
      .call({ path: "/team/list", signal })
      .catch((error: unknown) => error);
    expect(error).toBeInstanceOf(Unavailable);
    expect(String(error)).toContain("refused");
    expect(performance.now() - before).toBeLessThan(10_000);
  });
});
