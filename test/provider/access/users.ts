import { describe, expect, test } from "vitest";

import { user } from "../../../components/provider/access/user.ts";
import type { LitellmServer } from "../../support/litellm-server.ts";
import {
  openContext,
  recordChanges,
  removeAfterwards,
  setServerDefaults,
  testLifeCycle,
  uniqueId,
} from "./life-cycle.ts";

const parse = (inputs: object) => user.inputs.parse(inputs);

export function describeUsers(server: () => LitellmServer): void {
  const open = () => openContext(server(), { token: user.token });
  const update = (inputs: object, previous: object) => {
    const previousInputs = parse(previous);
    const outputs = { ...previousInputs, serverDefaults: {} };
    const id = previousInputs.userId;
    return user.update(open().context, id, { inputs: parse(inputs), previousInputs, outputs });
  };
  const read = async (id: string, inputs: object) =>
    (await user.read(open().context, id, { inputs, outputs: {} }))?.inputs;

  describe("users", () => {
    testLifeCycle(server, () => {
      const userId = uniqueId("user");
      return {
        definition: user,
        id: userId,
        identity: { userId },
        full: {
          email: `${userId}@example.com`,
          alias: "Ana",
          role: "proxy_admin_viewer",
          models: ["free", "cheap"],
          maxBudget: 20.25,
          budgetDuration: "7d",
          rpmLimit: 10,
          tpmLimit: 3_000_000_000,
          metadata: { costCentre: "4711" },
        },
        edit: { inputs: { models: ["free"] }, body: { user_id: userId, models: ["free"] } },
        byHand: {
          path: "/user/update",
          body: { user_id: userId, max_budget: 21, user_role: "internal_user" },
          inputs: { maxBudget: 21, role: "internal_user" },
        },
        deleteByHand: { path: "/user/delete", body: { user_ids: [userId] } },
        makeByHand: {
          path: "/user/new",
          body: { user_id: userId, auto_create_key: false, models: ["cheap"] },
        },
        hasOwner: true,
      };
    });

    test.each(["ana@example.com", "ana+ci@example.com", "Ana María / R&D #1?", "a%20b"])(
      "an id may be %s",
      async (name) => {
        const userId = uniqueId(name);
        const inputs = parse({ userId, maxBudget: 1 });
        await user.create(open().context, inputs);
        await update({ userId, maxBudget: 2 }, inputs);
        expect(await read(userId, inputs)).toEqual({ ...inputs, maxBudget: 2 });
        await user.delete(open().context, userId);
        expect(await read(userId, inputs)).toBeUndefined();
      },
    );

    test("one whose id is a part of another's is another", async () => {
      const longer = uniqueId("user");
      const userId = longer.slice(0, -1);
      for (const id of [longer, userId]) removeAfterwards(server(), user, id);
      await user.create(open().context, parse({ userId: longer }));
      expect(await read(userId, {})).toBeUndefined();
      await user.create(open().context, parse({ userId, alias: "Ana" }));
      expect(await read(userId, {})).toEqual(parse({ userId, alias: "Ana" }));
    });

    test("an e-mail address is changed, and never two users'", async () => {
      const [ana, ben] = [uniqueId("ana"), uniqueId("ben")];
      for (const id of [ana, ben]) removeAfterwards(server(), user, id);
      const [anaEmail, benEmail] = [`${ana}@example.com`, `${ben}@example.com`];
      await user.create(open().context, parse({ userId: ana, email: anaEmail }));
      const reason = (email: string) =>
        `user "${ben}": another user has the e-mail address ${email} already`;
      await expect(
        user.create(open().context, parse({ userId: ben, email: anaEmail })),
      ).rejects.toThrow(reason(anaEmail));
      const inputs = parse({ userId: ben, email: benEmail });
      await user.create(open().context, inputs);
      const taken = anaEmail.toUpperCase();
      await expect(update({ ...inputs, email: taken }, inputs)).rejects.toThrow(reason(taken));
      const changed = parse({ userId: ben, email: `new-${benEmail}` });
      await update(changed, inputs);
      expect(await read(ben, changed)).toEqual(changed);
    });

    test("the user's keys go with the user, which is said", async () => {
      const { client } = server();
      const userId = uniqueId("user");
      await user.create(open().context, parse({ userId }));
      const body = { user_id: userId, key_alias: userId };
      const { key } = (await client.succeed("/key/generate", body)) as { key: string };
      const { context, messages } = open();
      await user.delete(context, userId);
      expect(messages).toEqual([
        `with user "${userId}" LiteLLM deletes the user's key: ` +
          "requests with them are refused from now on",
      ]);
      expect((await client.as(key).chat("free", "hello")).status).toBe(401);
    });

    test("what LiteLLM's settings fill in is no drift", async () => {
      const userId = uniqueId("user");
      removeAfterwards(server(), user, userId);
      await setServerDefaults(server(), "internal_user_settings", {
        max_budget: 7,
        budget_duration: "30d",
        models: ["free"],
      });
      const inputs = parse({ userId });
      const { outputs } = await user.create(open().context, inputs);
      expect(outputs).toEqual({
        serverDefaults: { maxBudget: 7, budgetDuration: "30d", models: ["free"] },
      });
      const read = await user.read(open().context, userId, { inputs, outputs });
      expect(read).toEqual({ inputs, outputs });
      const change = { inputs, previousInputs: inputs, outputs: { ...inputs, ...outputs } };
      const bodies = await recordChanges(() => user.update(open().context, userId, change));
      expect(bodies).toEqual([]);
    });

    test("no key is made with a user", async () => {
      const userId = uniqueId("user");
      removeAfterwards(server(), user, userId);
      await user.create(open().context, parse({ userId }));
      const { keys } = (await server().client.succeed(`/key/list?user_id=${userId}`)) as {
        keys: unknown[];
      };
      expect(keys).toEqual([]);
    });
  });
}
