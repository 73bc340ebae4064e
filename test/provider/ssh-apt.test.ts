import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import type { ResourceDefinition } from "../../components/provider/resource.ts";
import { planChanges } from "../../components/provider/server/diff.ts";
import { aptPackages } from "../../components/provider/ssh/apt-packages.ts";
import { aptRepository } from "../../components/provider/ssh/apt-repository.ts";
import { connection } from "../../components/provider/ssh/connection.ts";
import { parseOperatingSystem } from "../../components/provider/ssh/operating-system.ts";
import { closeSessions } from "../../components/provider/ssh/session.ts";
import { labEnvironment } from "../lab/environment.ts";
import {
  createNetwork,
  labMachines,
  startMachine,
  type LabNetwork,
  type Machine,
} from "../lab/machine.ts";
import { operationContext } from "../support/operation-context.ts";

const lab = labMachines();
const { context, messages } = operationContext();
/** Debian's own keys. */
const keyFile = (name: string) => `/etc/apt/trusted.gpg.d/debian-archive-${name}.asc`;
const FINGERPRINT = "04B54C3CDCA79751B16BC6B5225629DF75B188BD";

test("Debian and Ubuntu are known by /etc/os-release, and others are refused", () => {
  const release = (id: string, version: string, codename: string) =>
    `PRETTY_NAME="Test ${id}"\nID=${id}\nVERSION_ID="${version}"\nVERSION_CODENAME=${codename}\n`;
  expect(parseOperatingSystem(release("debian", "13", "trixie"))).toEqual({
    distribution: "debian",
    codename: "trixie",
    name: "Test debian",
  });
  expect(parseOperatingSystem(release("ubuntu", "24.04", "noble")).codename).toBe("noble");
  for (const text of [
    release("debian", "11", "bullseye"),
    release("ubuntu", "20.04", "focal"),
    release("fedora", "42", ""),
  ]) {
    expect(() => parseOperatingSystem(text)).toThrow(
      /runs Test .*, and this deployment sets up Debian 12, Ubuntu 22\.04 and later ones/,
    );
  }
});

describe.skipIf(!lab.available)(`apt on a machine (${lab.reason})`, () => {
  let network: LabNetwork;
  let machine: Machine;
  /** Of the repository that is added, which is another suite of the machine's own. */
  let key: string;
  let uri: string;

  const place = () => ({ connection: connection.parse(machine.connection()) });
  const parsePackages = (packages: string[], changes: object = {}) =>
    aptPackages.inputs.parse({ ...place(), packages, ...changes });
  const parseRepository = (changes: object = {}) =>
    aptRepository.inputs.parse({
      ...place(),
      name: "backports",
      uri,
      suite: "{codename}-backports",
      signingKey: key,
      ...changes,
    });
  /** What a preview shows, as `path kind`. */
  const preview = async (definition: object, id: string, inputs: object, outputs: object = {}) => {
    const resource = definition as ResourceDefinition;
    const recorded = { inputs: { ...inputs }, outputs: { ...inputs, ...outputs } };
    const observed = await resource.read(context, id, recorded);
    return planChanges(resource, { recorded, observed, inputs: { ...inputs } }, []).map(
      ({ path, kind }) => `${path.join(".")} ${kind}`,
    );
  };
  /** Of another deployment: what one has made itself it does not delete again. */
  const remove = async (kind: "packages" | "repository", inputs: object, outputs: object) => {
    vi.resetModules();
    const definition =
      kind === "packages"
        ? (await import("../../components/provider/ssh/apt-packages.ts")).aptPackages
        : (await import("../../components/provider/ssh/apt-repository.ts")).aptRepository;
    await (definition as unknown as ResourceDefinition).delete(context, "backports", {
      inputs: { ...inputs },
      outputs: { ...inputs, ...outputs },
    });
    await (await import("../../components/provider/ssh/session.ts")).closeSessions();
  };
  const installed = () => machine.script("dpkg-query -W -f '${db:Status-Abbrev} ${Package}\\n'");

  beforeAll(async () => {
    for (const [name, value] of Object.entries(labEnvironment())) vi.stubEnv(name, value);
    network = await createNetwork(`apt-${process.pid}`);
    machine = await startMachine(`apt-${process.pid}`, { network, address: network.address(19) });
    key = await machine.script(`cat ${keyFile("trixie-automatic")}`);
    const sources = await machine.script(
      "cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || :",
    );
    uri = /https?:\/\/\S+/.exec(sources)?.[0] ?? "";
  });

  afterAll(async () => {
    await closeSessions();
    await machine.remove();
    await network.remove();
  });

  test("packages are installed with what they need, and that alone goes again", async () => {
    const before = await installed();
    const inputs = parsePackages(["jq", "sudo"]);
    expect(await preview(aptPackages, "jq,sudo", parsePackages(["jq"]))).not.toEqual([]);
    const { outputs } = await aptPackages.create(context, inputs);
    expect(outputs.added).toEqual(expect.arrayContaining(["jq", "libjq1", "libonig5"]));
    expect(outputs.added).not.toContain("sudo");
    expect(Object.keys(outputs.versions).sort()).toEqual(["jq", "sudo"]);
    expect(await preview(aptPackages, "jq,sudo", inputs, outputs)).toEqual([]);

    await machine.script("dpkg --remove jq");
    expect(await preview(aptPackages, "jq,sudo", inputs, outputs)).toEqual([
      "packages.0 update",
      "packages.1 update",
    ]);
    const mended = await aptPackages.update(context, "jq,sudo", {
      inputs,
      previousInputs: inputs,
      outputs: { ...inputs, ...outputs },
    });
    expect(mended.added).toEqual(outputs.added);

    await machine.script("apt-get -q -y autoremove >/dev/null");
    await remove("packages", inputs, mended);
    expect(await installed()).toBe(before);
    expect(await machine.script("ls /var/lib/dpkg | grep litellm || :")).toBe("");
    await remove("packages", inputs, mended);
  });

  test("a version is kept to, and one that is not there is said", async () => {
    const version = (await machine.script("apt-cache madison jq")).split("|")[1]?.trim() ?? "";
    const inputs = parsePackages([`jq=${version}`]);
    const { outputs } = await aptPackages.create(context, inputs);
    expect(outputs.versions).toEqual({ jq: version });
    expect(await preview(aptPackages, "jq", inputs, outputs)).toEqual([]);
    const pattern = parsePackages([`jq=${version.slice(0, 2)}*`]);
    expect(await preview(aptPackages, "jq", pattern, outputs)).toEqual([]);
    expect(await preview(aptPackages, "jq", parsePackages(["jq=0.1"]), outputs)).toEqual([
      "packages.0 update",
    ]);
    await expect(aptPackages.create(context, parsePackages(["jq=0.1"]))).rejects.toThrow(
      /no package repository of root@\S+ has what is asked for of jq; .*apt-cache policy jq/,
    );
    await expect(aptPackages.create(context, parsePackages(["no-such-package"]))).rejects.toThrow(
      "has what is asked for of no-such-package; add one that has, or ask for another version",
    );
    const provided = await machine.script("dpkg-query -W -f '${Provides}' perl-base");
    const virtual = /perlapi-[\d.]+/.exec(provided)?.[0] ?? "";
    await expect(aptPackages.create(context, parsePackages([virtual]))).rejects.toThrow(
      `${virtual} is no package of its own`,
    );
  });

  test("a lock is waited for, and its holder named; an interrupted dpkg is mended", async () => {
    const lock = (seconds: number) =>
      machine.script(
        `rm -f /run/locked
        python3 -c 'import fcntl, time
f = open("/var/lib/dpkg/lock-frontend", "w"); fcntl.lockf(f, fcntl.LOCK_EX)
open("/run/locked", "w"); time.sleep(${seconds})' >/dev/null 2>&1 &
        until [ -e /run/locked ]; do sleep 0.1; done`,
      );
    await lock(120);
    await expect(
      aptPackages.create(context, parsePackages(["tree"], { lockDeadlineSeconds: 1 })),
    ).rejects.toThrow(
      /process \d+ \(python3\) keeps apt of root@\S+ locked; run again when it has ended; see: ssh .*'ps -fp \d+'/,
    );
    await machine.script("kill $(pgrep -f lock-frontend)");
    // What is in the folder tells apt that dpkg was interrupted.
    await machine.script(
      "cd /tmp; apt-get -q download tree >/dev/null; dpkg --unpack tree_*.deb >/dev/null; touch /var/lib/dpkg/updates/0001",
    );
    expect((await machine.execute(["apt-get", "install", "-q", "tree"])).stderr).toContain(
      "dpkg was interrupted",
    );
    await lock(3);
    const { outputs } = await aptPackages.create(context, parsePackages(["tree"]));
    expect(outputs.versions["tree"]).toMatch(/^\d/);
    expect(messages).toContain("finishing what an interrupted dpkg has left: dpkg --configure -a");
    expect(await machine.script("ls /var/lib/dpkg/updates; dpkg --audit")).toBe("");
  });

  test("a repository is added with its key alone, mended, and taken out again", async () => {
    const inputs = parseRepository({ fingerprint: FINGERPRINT.replace(/(.{4})/g, "$1 ") });
    const { id, outputs } = await aptRepository.create(context, inputs);
    expect(id).toBe("backports");
    expect(outputs).toEqual({ origin: "backports", intact: true });
    expect(await machine.script("cat /etc/apt/sources.list.d/backports.sources")).toBe(
      `Types: deb\nURIs: ${uri}\nSuites: trixie-backports\nComponents: main\nSigned-By: /etc/apt/keyrings/backports.asc\n`,
    );
    expect(await machine.script("apt-cache policy | grep -c trixie-backports")).not.toBe("0\n");
    expect(await preview(aptRepository, id, inputs, outputs)).toEqual([]);
    await machine.script(
      "sed -i 's/trixie-backports/sid/; $a Trusted: yes' /etc/apt/sources.list.d/backports.sources",
    );
    expect(await preview(aptRepository, id, inputs, outputs)).toEqual([
      "suite update",
      "intact update",
    ]);
    await aptRepository.update(context, id, {
      inputs,
      previousInputs: inputs,
      outputs: { ...inputs, ...outputs },
    });
    expect(await preview(aptRepository, id, inputs, outputs)).toEqual([]);
    await remove("repository", inputs, outputs);
    expect(
      await machine.script(
        "ls /etc/apt/sources.list.d /etc/apt/keyrings /var/lib/apt/lists | grep backports || :",
      ),
    ).toBe("");
  });

  test("a repository that is not needed is not added, and one that fails leaves nothing", async () => {
    const unneeded = parseRepository({ unlessAvailable: "postgresql-17" });
    const { outputs } = await aptRepository.create(context, unneeded);
    expect(outputs).toEqual({ origin: "distribution", intact: true });
    expect(await preview(aptRepository, "backports", unneeded, outputs)).toEqual([]);
    const nothing = async () => {
      expect(await machine.script("ls /etc/apt/sources.list.d /etc/apt/keyrings")).not.toContain(
        "backports",
      );
    };
    await nothing();
    await expect(
      aptRepository.create(context, parseRepository({ suite: "no-such-suite" })),
    ).rejects.toThrow("no-such-suite");
    await nothing();
    const another = await machine.script(`cat ${keyFile("bookworm-stable")}`);
    await expect(
      aptRepository.create(context, parseRepository({ signingKey: another })),
    ).rejects.toThrow(/a package repository of root@\S+ is not signed with the key/);
    await nothing();
    await expect(
      aptRepository.create(
        context,
        parseRepository({ signingKey: another, fingerprint: FINGERPRINT }),
      ),
    ).rejects.toThrow(
      `the signing key has the fingerprint 4D64FEC119C2029067D6E791F8D2585B8783D481 instead of ${FINGERPRINT}`,
    );
    await nothing();
    expect(
      aptRepository.check(
        parseRepository({ signingKey: undefined, signingKeyUrl: "https://x.test" }),
      ),
    ).toEqual([expect.objectContaining({ property: "fingerprint" })]);
    expect(aptRepository.check(parseRepository())).toEqual([]);
  });
});
