import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";

import { type DirectoryInputs, directory } from "../../components/provider/ssh/directory.ts";
import { type FileInputs, file } from "../../components/provider/ssh/file.ts";
import { systemUser } from "../../components/provider/ssh/system-user.ts";
import { labMachines } from "../lab/machine.ts";
import { operationContext } from "../support/operation-context.ts";
import { type SshLab, startSshLab } from "../support/ssh-lab.ts";

const available = labMachines();
const { context } = operationContext();
const FOLDER = "/etc/it's a folder";
const PATH = `${FOLDER}/litellm.env`;
/** As an operation on what is there is given its state. */
const stateOf = <Inputs extends object, Outputs extends object>(
  inputs: Inputs,
  outputs: Outputs,
) => ({ inputs, previousInputs: inputs, outputs: { ...inputs, ...outputs } });
const CONTENT = "one ✓\nKEY='secret \"$1\"'\0\n\n";

describe.skipIf(!available.available)(`what is on a machine ${available.reason}`, () => {
  let lab: SshLab;
  const script = (text: string) => lab.machine.script(text);
  /** Logged in as somebody who has to become root. */
  const login = () => lab.connect("free");
  /** A deployment that comes later and remembers nothing of this one. */
  const later = async <T>(load: () => Promise<T>): Promise<T> => {
    vi.resetModules();
    return load();
  };

  beforeAll(async () => {
    lab = await startSshLab(`ssh-file-${process.pid}`);
  });

  afterAll(async () => {
    await lab.remove();
    const { closeSessions } = await import("../../components/provider/ssh/session.ts");
    await closeSessions();
  });

  describe("a file", () => {
    const parse = (changes: Partial<FileInputs> = {}) =>
      file.inputs.parse({ connection: login(), path: PATH, content: CONTENT, ...changes });
    const read = (inputs = parse()) => file.read(context, inputs.path, stateOf(inputs, {}));
    const update = (inputs: FileInputs) => file.update(context, PATH, stateOf(inputs, {}));
    const describeFile = () => script(`stat -c '%a %U %G %i' "${PATH}"; ls -A "${FOLDER}"`);

    beforeAll(async () => {
      await script(`mkdir "${FOLDER}"`);
    });

    afterEach(async () => {
      await script(`rm -rf "${FOLDER}"; mkdir "${FOLDER}"`);
    });

    test("is written with mode and owner, and nothing is left beside it", async () => {
      const inputs = parse({ mode: "0640", group: "plain" });
      expect(await file.create(context, inputs)).toEqual({ id: PATH, outputs: {} });
      expect(await script(`cat "${PATH}"`)).toBe(CONTENT);
      expect(await describeFile()).toMatch(/^640 root plain \d+\nlitellm\.env\n$/);
      expect(await read(inputs)).toEqual({ inputs, outputs: {} });
    });

    test("shows what a hand has done to it, and is mended", async () => {
      const inputs = parse();
      await file.create(context, inputs);
      await script(`echo edited >> "${PATH}"; chown free:plain "${PATH}"; chmod 4777 "${PATH}"`);
      expect(await read()).toEqual({
        inputs: {
          ...inputs,
          content: `${CONTENT}edited\n`,
          mode: "04777",
          owner: "free",
          group: "plain",
        },
        outputs: {},
      });
      await update(inputs);
      expect(await read()).toEqual({ inputs, outputs: {} });
      await script(`rm "${PATH}"`);
      expect(await read()).toBeUndefined();
      await update(inputs);
      expect(await read()).toEqual({ inputs, outputs: {} });
    });

    test("is replaced as a whole, and left as it is where only the mode differs", async () => {
      await file.create(context, parse());
      const first = await describeFile();
      await update(parse({ mode: "0600" }));
      const second = await describeFile();
      expect(second).toBe(first.replace("644", "600"));
      await update(parse({ mode: "0600", content: "" }));
      const third = await describeFile();
      expect(third).toMatch(/^600 root root \d+\nlitellm\.env\n$/);
      expect(third).not.toBe(second);
      expect(await script(`cat "${PATH}"`)).toBe("");
    });

    test("does not overwrite another's, but takes up what an interrupted deployment has written", async () => {
      await script(`echo theirs > "${PATH}"`);
      await expect(file.create(context, parse())).rejects.toThrow(
        /^\/etc\/it's a folder\/litellm\.env exists already on free@\S+ and holds something else; set it aside: ssh .* 'sudo mv /,
      );
      expect(await script(`cat "${PATH}"; ls -A "${FOLDER}"`)).toBe("theirs\nlitellm.env\n");
      await script(`rm "${PATH}"`);
      await file.create(context, parse({ mode: "0600" }));
      await file.create(context, parse());
      expect(await read()).toEqual({ inputs: parse(), outputs: {} });
    });

    test("is not written through a link, which is shown and replaced", async () => {
      await script(`echo theirs > /etc/theirs; ln -s /etc/theirs "${PATH}"`);
      await expect(file.create(context, parse())).rejects.toThrow("exists already");
      expect(await read()).toMatchObject({
        inputs: { content: "a symbolic link to /etc/theirs\n" },
      });
      await update(parse());
      expect(await script(`cat /etc/theirs; cat "${PATH}"; rm /etc/theirs`)).toBe(
        `theirs\n${CONTENT}`,
      );
    });

    test("is told from a folder", async () => {
      await script(`mkdir "${PATH}"`);
      expect(await read()).toMatchObject({ inputs: { content: "a directory\n" } });
      await expect(update(parse())).rejects.toThrow(
        /litellm\.env on free@\S+ is a folder; set it aside: ssh .* 'sudo mv /,
      );
      await file.delete(context, PATH, stateOf(parse(), {}));
      expect(await script(`ls "${FOLDER}"`)).toBe("litellm.env\n");
    });

    test("needs its folder, its owner and room, and says so", async () => {
      await expect(file.create(context, parse({ path: "/etc/absent/file" }))).rejects.toThrow(
        /^free@\S+ has no folder \/etc\/absent for \/etc\/absent\/file; make it: ssh .* 'sudo mkdir -p \/etc\/absent'$/,
      );
      await expect(file.create(context, parse({ owner: "nobodyknows" }))).rejects.toThrow(
        /ended with status 1:\nchown: invalid user/,
      );
      await script(`mount -t tmpfs -o size=64k full "${FOLDER}"`);
      const failure = file.create(context, parse({ content: "x".repeat(200_000) }));
      await expect(failure).rejects.toThrow(/^the disk of free@\S+ is full:\n.*\nmake room/s);
      expect(await script(`ls -A "${FOLDER}"; umount "${FOLDER}"`)).toBe("");
    });

    test("stays as it was when the connection breaks, and leftovers go with the next", async () => {
      await file.create(context, parse());
      const content = "new\n".repeat(2_000_000);
      const writing = update(parse({ content })).then(
        () => "written",
        (error: unknown) => (error as Error).message,
      );
      await script(
        `until [ -n "$(find "${FOLDER}" -name '.litellm.env.*')" ]; do :; done; pkill -KILL -x cat`,
      );
      expect(await writing).toMatch(/ended with status 137|ended with status|broke before/);
      expect(await script(`cat "${PATH}"`)).toBe(CONTENT);
      await script(`touch "${FOLDER}/.litellm.env.litellm-left"`);
      await update(parse({ content }));
      expect(await read()).toEqual({ inputs: parse({ content }), outputs: {} });
      expect(await script(`ls -A "${FOLDER}"`)).toBe("litellm.env\n");
    });

    test("is deleted by a later deployment, once more without complaint, and not by its own", async () => {
      const inputs = parse();
      await file.create(context, inputs);
      await file.delete(context, PATH, stateOf(inputs, {}));
      expect(await script(`ls "${FOLDER}"`)).toBe("litellm.env\n");
      const module = await later(() => import("../../components/provider/ssh/file.ts"));
      await module.file.delete(context, PATH, stateOf(inputs, {}));
      await module.file.delete(context, PATH, stateOf(inputs, {}));
      expect(await script(`ls "${FOLDER}"`)).toBe("");
    });
  });

  describe("a folder", () => {
    const parse = (changes: Partial<DirectoryInputs> = {}) =>
      directory.inputs.parse({
        connection: login(),
        path: "/opt/litellm",
        mode: "0750",
        group: "plain",
        ...changes,
      });
    const read = (made: boolean) =>
      directory.read(context, "/opt/litellm", stateOf(parse(), { made }));
    const remove = async (made: boolean) => {
      const module = await later(() => import("../../components/provider/ssh/directory.ts"));
      await module.directory.delete(context, "/opt/litellm", stateOf(parse(), { made }));
    };

    afterEach(async () => {
      await script("rm -rf /opt/litellm");
    });

    test("is made, observed, mended and deleted with what is in it", async () => {
      expect(await directory.create(context, parse())).toEqual({
        id: "/opt/litellm",
        outputs: { made: true },
      });
      expect(await read(true)).toEqual({ inputs: parse(), outputs: { made: true } });
      await script("chmod 1777 /opt/litellm; chown free /opt/litellm");
      expect(await read(true)).toMatchObject({ inputs: { mode: "01777", owner: "free" } });
      const change = stateOf(parse(), { made: true });
      await script("touch /opt/litellm/file");
      expect(await directory.update(context, "/opt/litellm", change)).toEqual({ made: true });
      expect(await read(true)).toEqual({ inputs: parse(), outputs: { made: true } });
      await remove(true);
      expect(await script("ls /opt")).toBe("");
      expect(await read(true)).toBeUndefined();
      await remove(true);
      expect(await directory.update(context, "/opt/litellm", change)).toEqual({ made: true });
    });

    test("stays when it was there before us, unless it was empty", async () => {
      await script("mkdir /opt/litellm; touch /opt/litellm/theirs");
      const { outputs } = await directory.create(context, parse());
      expect(outputs).toEqual({ made: false });
      await remove(false);
      expect(await script("ls /opt/litellm; rm /opt/litellm/theirs")).toBe("theirs\n");
      expect(await directory.create(context, parse())).toMatchObject({ outputs: { made: true } });
    });

    test("is never a folder of the system, nor what is no folder", async () => {
      for (const path of ["/", "/opt", "/opt/", "/opt/../etc", "opt/litellm", "/opt//litellm"]) {
        expect(directory.inputs.safeParse({ ...parse(), path }).success).toBe(false);
      }
      await script("ln -s /etc /opt/litellm");
      await expect(directory.create(context, parse())).rejects.toThrow(
        /^\/opt\/litellm on free@\S+ is no folder; set it aside: ssh /,
      );
      await expect(directory.create(context, parse({ path: "/srv/a/b" }))).rejects.toThrow(
        /^free@\S+ has no folder \/srv\/a for \/srv\/a\/b; make it: ssh /,
      );
    });
  });

  describe("a system user", () => {
    const inputs = () => systemUser.inputs.parse({ connection: login(), name: "litellm" });
    const read = () => systemUser.read(context, "litellm", { inputs: inputs(), outputs: {} });
    const remove = async (made: boolean) => {
      const module = await later(() => import("../../components/provider/ssh/system-user.ts"));
      await module.systemUser.delete(context, "litellm", stateOf(inputs(), { made }));
    };

    afterEach(async () => {
      await script(
        "pkill -u litellm || true; userdel litellm 2>/dev/null || true; groupdel litellm 2>/dev/null || true",
      );
    });

    test("is made with its group, observed, mended and deleted", async () => {
      const created = { id: "litellm", outputs: { made: true } };
      expect(await systemUser.create(context, inputs())).toEqual(created);
      expect(await script("id litellm; getent passwd litellm; passwd --status litellm")).toMatch(
        /^uid=\d{3}\(litellm\) gid=\d{3}\(litellm\) groups=\d{3}\(litellm\)\nlitellm:x:\d+:\d+:made by the LiteLLM deployment:\/nonexistent:\/usr\/sbin\/nologin\nlitellm L /,
      );
      expect(await read()).toEqual({ inputs: inputs(), outputs: { made: true } });
      // A deployment that was interrupted.
      expect(await systemUser.create(context, inputs())).toEqual(created);
      await script("usermod --shell /bin/bash --home /root litellm");
      expect(await read()).toMatchObject({ inputs: { shell: "/bin/bash", home: "/root" } });
      const change = stateOf(inputs(), { made: true });
      expect(await systemUser.update(context, "litellm", change)).toEqual({ made: true });
      expect(await read()).toEqual({ inputs: inputs(), outputs: { made: true } });
      await remove(true);
      await remove(true);
      expect(await script("getent passwd litellm || getent group litellm || echo none")).toBe(
        "none\n",
      );
      expect(await read()).toBeUndefined();
    });

    test("of somebody else is left alone", async () => {
      await script("useradd --create-home --shell /bin/bash litellm");
      await expect(systemUser.create(context, inputs())).rejects.toThrow(
        /^free@\S+ has a user litellm already, with another home or shell; if it is for the gateway, adapt it: ssh .* 'sudo usermod --home \/nonexistent --shell \/usr\/sbin\/nologin litellm'$/,
      );
      await script(
        "usermod --home /nonexistent --shell /usr/sbin/nologin litellm; rm -r /home/litellm",
      );
      expect(await systemUser.create(context, inputs())).toMatchObject({
        outputs: { made: false },
      });
      await remove(false);
      expect(await script("id -un litellm")).toBe("litellm\n");
    });

    test("that still runs something is not deleted, and it says so", async () => {
      await systemUser.create(context, inputs());
      await script("setsid runuser -u litellm -- sleep 60 >/dev/null 2>&1 &");
      await expect(remove(true)).rejects.toThrow(
        /^free@\S+ still runs something as litellm; end it: ssh .* 'sudo pkill -u litellm'$/,
      );
    });
  });
});
