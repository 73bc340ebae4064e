import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";

import type { Connection } from "../../components/provider/ssh/connection.ts";
import {
  closeSessions,
  exclusively,
  openSession,
  type RunOptions,
} from "../../components/provider/ssh/session.ts";
import { labMachines } from "../lab/machine.ts";
import { type SshLab, startSshLab, SUDO_PASSWORD } from "../support/ssh-lab.ts";

const available = labMachines();
const { signal } = new AbortController();

/** What a script prints, or the error's text. */
const run = (connection: Connection, script: string, options?: RunOptions) =>
  openSession(connection, signal).run(script, options);
const fail = (connection: Connection, script = "true", options?: RunOptions) =>
  run(connection, script, options).then(
    (output) => `no error: ${output}`,
    (error: unknown) => (error as Error).message,
  );

describe.skipIf(!available.available)(`a session of ssh ${available.reason}`, () => {
  let lab: SshLab;

  beforeAll(async () => {
    lab = await startSshLab(`ssh-session-${process.pid}`);
  });

  afterAll(async () => {
    await lab.remove();
  });

  afterEach(closeSessions);

  const ways = [
    ["root", {}],
    ["free", {}],
    ["wheel", { sudoPassword: SUDO_PASSWORD }],
    // A password that nobody asks for is not taken for input.
    ["free", { sudoPassword: SUDO_PASSWORD }],
    ["root", { sudoPassword: SUDO_PASSWORD }],
  ] as const;

  test.each(ways)("runs a script as root, logged in as %s", async (user, changes) => {
    const connection = lab.connect(user, changes);
    const script = 'id -un; pwd; umask; echo "$HOME $LC_ALL $PATH"; printf "[%s]" "$@"; cat';
    const arguments_ = ["a b", `'"$(id)\\`, "two\nlines", ""];
    const input = "first\nsecond ✓\0\n";
    expect(await run(connection, script, { arguments: arguments_, input })).toBe(
      "root\n/\n0022\n/root C.UTF-8 /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n" +
        `[a b]['"$(id)\\][two\nlines][]${input}`,
    );
    expect(await run(connection, "id -un; echo ~ $HOME; cat", { user: "plain", input: "x" })).toBe(
      "plain\n/home/plain /home/plain\nx",
    );
    expect(await openSession(connection, signal).try("echo a; echo b >&2; exit 7")).toEqual({
      code: 7,
      stdout: "a\n",
      stderr: "b\n",
    });
  });

  test("shows neither password nor input to the machine's other users", async () => {
    const connection = lab.connect("wheel", { sudoPassword: SUDO_PASSWORD });
    const script = "cat > /dev/null; touch /run/begun; while [ -e /run/begun ]; do sleep 0.1; done";
    const seen = run(connection, script, { input: "secret input" });
    await lab.machine.script("until [ -e /run/begun ]; do sleep 0.1; done");
    const processes = await lab.machine.script(
      "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ | tr '\\0' '\\n'; journalctl --no-pager; rm /run/begun",
    );
    await seen;
    expect(processes).toContain(script);
    expect(processes).not.toContain("secret");
  });

  test("shares one connection, eight commands at a time", async () => {
    const connection = lab.connect();
    const script = 'mkdir "/run/at-$1"; ls -d /run/at-* | wc -l; sleep 0.3; rmdir "/run/at-$1"';
    const counts = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        run(connection, script, { arguments: [String(index)] }),
      ),
    );
    expect(Math.max(...counts.map(Number))).toBe(8);
    expect(await run(connection, "ss -Htn state established sport = :22 | wc -l")).toBe("1\n");
  });

  test("puts up with an sshd that allows fewer at a time", async () => {
    const file = "/etc/ssh/sshd_config.d/fewer.conf";
    await lab.machine.script(`echo MaxSessions 2 > ${file}; systemctl reload ssh`);
    try {
      const outputs = await Promise.all(
        Array.from({ length: 6 }, (_, index) =>
          run(lab.connect(), 'sleep 0.2; echo "$1"', { arguments: [String(index)] }),
        ),
      );
      expect(outputs.join("")).toBe("0\n1\n2\n3\n4\n5\n");
    } finally {
      await lab.machine.script(`rm ${file}; systemctl reload ssh`);
    }
  });

  test("does not mind what a login shell prints, nor input that nobody reads", async () => {
    const connection = lab.connect("free");
    await lab.machine.script("echo 'printf \"good morning\"' > /home/free/.bashrc");
    expect(await run(connection, "echo it", { input: Buffer.alloc(3_000_000) })).toBe("it\n");
    await lab.machine.script("rm /home/free/.bashrc");
  });

  test("takes and gives megabytes", async () => {
    const input = "0123456789abcde\n".repeat(300_000);
    expect(await run(lab.connect(), "cat", { input })).toBe(input);
  });

  test.each([
    ["root", {}],
    ["wheel", { sudoPassword: SUDO_PASSWORD }],
  ])("stops what is cancelled or too slow, with its children, as %s", async (user, changes) => {
    const connection = lab.connect(user, changes);
    await run(connection, "true");
    const cancellation = new AbortController();
    const reason = new Error("cancelled");
    setTimeout(() => {
      cancellation.abort(reason);
    }, 300);
    const script = "sleep 4711 & sleep 4711; true";
    await expect(openSession(connection, cancellation.signal).run(script)).rejects.toBe(reason);
    expect(await fail(connection, script, { deadlineSeconds: 1 })).toMatch(
      /^a command on (root|wheel)@\S+ did not end within 1 s and was stopped; see what keeps the machine busy: ssh /,
    );
    expect(await run(connection, "pgrep -c -x sleep || true")).toBe("0\n");
  });

  test("opens the connection anew when the machine was restarted", async () => {
    expect(await run(lab.connect(), "echo before")).toBe("before\n");
    await lab.machine.reboot();
    expect(await run(lab.connect(), "echo after")).toBe("after\n");
  });

  test("says so when the connection breaks under a command", async () => {
    const running = fail(lab.connect(), "touch /run/broken; sleep 60");
    await lab.machine.script("until [ -e /run/broken ]; do sleep 0.1; done");
    await lab.machine.script("pkill -x sshd-session || pkill -f 'sshd: root'");
    expect(await running).toMatch(
      /^the connection to root@\S+ broke while a command ran there; what was begun is taken up again by: pulumi up/,
    );
  });

  const WRONG_KEY =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0Zd3C2f8f3yZ2uRr5WbYF1cXn2m0Vt7pS4qH6kLw8x";
  const withoutKeys = (options: readonly string[]) => [
    ...["-o", "UserKnownHostsFile=/dev/null"],
    ...options,
  ];
  const errors: readonly (readonly [string, (lab: SshLab) => Connection, RegExp])[] = [
    [
      "unreachable",
      ({ connect, emptyAddress }) => connect("root", { host: emptyAddress }),
      /^root@\S+ cannot be reached; check that it is up and that no firewall is in between: ssh .*\nssh says:\n.*No route to host$/,
    ],
    [
      "silent",
      ({ connect, emptyAddress }) =>
        connect("root", {
          host: emptyAddress,
          options: [...connect().options, "-o", "ProxyCommand=sleep 9", "-o", "ConnectTimeout=1"],
        }),
      /^root@\S+ cannot be reached; .*timed out/s,
    ],
    [
      "refused",
      ({ connect }) => connect("root", { port: 23 }),
      /^root@\S+ is there, but refuses ssh on this port; start its ssh server, or correct the port: ssh .*\nssh says:\n.*Connection refused$/,
    ],
    [
      "unknown name",
      ({ connect }) => connect("root", { host: "gateway.invalid" }),
      /^root@gateway\.invalid has a name that nobody knows; correct it, or give the address: getent hosts gateway\.invalid\nssh says:\n/,
    ],
    [
      "another key than the given one",
      ({ connect }) => connect("root", { hostKey: WRONG_KEY }),
      /^root@\S+ shows another key than the one that it is known by: .* pulumi up --replace '\*\*litellm:ssh:HostKey\*\*'\nssh says:\n/,
    ],
    [
      "another kind of key",
      ({ connect }) => connect("root", { hostKey: WRONG_KEY.replace("ssh-ed25519", "ssh-rsa") }),
      /^root@\S+ shows another key than the one that it is known by: /,
    ],
    [
      "a key that known_hosts lacks",
      ({ connect }) =>
        connect("root", { hostKey: undefined, options: withoutKeys(connect().options) }),
      /^root@\S+ shows a key that your known_hosts does not have; compare it with the machine's own, and note it: ssh-keyscan -p 22 \S+ >> ~\/\.ssh\/known_hosts\nssh says:\n/,
    ],
    [
      "nobody's login",
      ({ connect }) => connect("stranger"),
      /^stranger@\S+ does not let us in; the key must be in your agent .*\nssh says:\n.*Permission denied/,
    ],
    [
      "no sudo",
      ({ connect }) => connect("plain", { sudoPassword: "of no use" }),
      /^plain@\S+ is not allowed to use sudo; allow it as root: usermod -aG sudo <user>\nsudo says:\n/,
    ],
    [
      "sudo wants a password",
      ({ connect }) => connect("wheel"),
      /^sudo of wheel@\S+ wants a password; set the machine's sudo password, for the gateway's machine: pulumi config set --secret gatewaySudoPassword, for the database's: pulumi config set --secret databaseSudoPassword\nsudo says:\n/,
    ],
    [
      "sudo refuses the password",
      ({ connect }) => connect("wheel", { sudoPassword: "wrong one" }),
      /^sudo of wheel@\S+ refuses the password that it was given; set the right sudo password, /,
    ],
  ];

  test.each(errors)("tells what is wrong: %s", async (_name, connect, expected) => {
    const message = await fail(connect(lab));
    expect(message).toMatch(expected);
    expect(message).not.toContain("wrong one");
  });

  test("tells what is wrong: the machine has no sudo", async () => {
    await lab.machine.script("mv /usr/bin/sudo /usr/bin/sudo.away");
    const message = await fail(lab.connect("free"));
    await lab.machine.script("mv /usr/bin/sudo.away /usr/bin/sudo");
    expect(message).toMatch(
      /^free@\S+ is not root and has no sudo; log in as root, or install it as root: apt-get install sudo/,
    );
  });

  test.each(["root", "free"])("tells what is wrong: no such user (%s)", async (login) => {
    expect(await fail(lab.connect(login), "true", { user: "nobodyknows" })).toMatch(
      /lacks the user that a command is to run as; make it there as root: useradd --system <user>/,
    );
  });

  test("quotes the last lines of a script that failed, and knows a full disk", async () => {
    const failed = await fail(lab.connect(), "seq 100 >&2; exit 3");
    expect(failed).toMatch(/^a command on root@\S+ ended with status 3:\n89\n(.*\n)*100$/);
    const script = `
      mkdir -p /run/full; mount -t tmpfs -o size=64k full /run/full
      head -c 100000 /dev/zero > /run/full/file; status=$?
      umount /run/full; exit $status`;
    expect(await fail(lab.connect(), script)).toMatch(
      /^the disk of root@\S+ is full:\n(.*\n)+make room, then run again; see: ssh .* 'df -h'$/,
    );
  });

  test("lets one task at a time work on a topic", async () => {
    const events: string[] = [];
    const work = (name: string) => async () => {
      events.push(`${name} begins`);
      await new Promise((resolve) => setTimeout(resolve, 20));
      events.push(`${name} ends`);
      if (name === "a") throw new Error("a failed");
      return name;
    };
    const results = await Promise.allSettled([
      exclusively(lab.connect(), "apt", work("a")),
      exclusively(lab.connect("free"), "apt", work("b")),
      exclusively(lab.connect(), "other", work("c")),
    ]);
    expect(results.map(({ status }) => status)).toEqual(["rejected", "fulfilled", "fulfilled"]);
    expect(events.indexOf("b begins")).toBeGreaterThan(events.indexOf("a ends"));
    expect(events.indexOf("c begins")).toBeLessThan(events.indexOf("a ends"));
  });
});
