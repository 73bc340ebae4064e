import { randomUUID } from "node:crypto";

import { afterAll, beforeEach, describe, expect, test, vi } from "vitest";

import {
  credential,
  type CredentialInputs,
} from "../../../components/provider/access/credential.ts";
import { GatewayApi } from "../../../components/provider/access/gateway-api.ts";
import type { LitellmServer } from "../../support/litellm-server.ts";
import { operationContext } from "../../support/operation-context.ts";
import { listChanging, sendAdmin } from "./requests.ts";

export function describeCredentials(server: () => LitellmServer): void {
  describe("credential", () => {
    const made: string[] = [];
    const openContext = (name = "credential") => {
      const { url, masterKey } = server();
      const { context, messages } = operationContext(undefined, { url, masterKey });
      return {
        context: { ...context, urn: `urn:pulumi:${name}::test::${credential.token}::credential` },
        messages,
      };
    };
    const wanted = (values: Record<string, string>, options: object = {}): CredentialInputs => {
      const name = `groq/eu ${randomUUID().slice(0, 8)}?#`;
      made.push(name);
      return credential.inputs.parse({ name, values, ...options });
    };
    const read = (inputs: CredentialInputs, known: Partial<CredentialInputs> = inputs) =>
      credential.read(openContext().context, inputs.name, { inputs: known, outputs: {} });
    const pathOf = ({ name }: CredentialInputs) => `/credentials/${encodeURIComponent(name)}`;
    const change = (inputs: CredentialInputs, previousInputs: CredentialInputs) =>
      credential.update(openContext().context, inputs.name, {
        inputs,
        previousInputs,
        outputs: previousInputs,
      });

    beforeEach(() => {
      vi.restoreAllMocks();
    });

    afterAll(async () => {
      for (const name of made) {
        await sendAdmin(server(), "DELETE", `/credentials/${encodeURIComponent(name)}`);
      }
    });

    test("lives from creation to deletion, and only what differs is sent", async () => {
      const { context } = openContext();
      const inputs = wanted(
        { api_key: "gsk-0123456789", api_base: "https://eu.example.com", region: "eu" },
        { info: { custom_llm_provider: "groq", note: "ours" } },
      );
      expect((await credential.create(context, inputs)).id).toBe(inputs.name);
      expect((await read(inputs))?.inputs).toEqual(inputs);

      const calls = vi.spyOn(GatewayApi.prototype, "call");
      await change(inputs, inputs);
      expect(listChanging(calls)).toEqual([]);

      // The mask of both values is the same.
      const rotated = { ...inputs, values: { ...inputs.values, api_key: "gsk-9876543289" } };
      await change(rotated, inputs);
      expect(listChanging(calls)).toEqual([
        [
          "PATCH",
          pathOf(inputs),
          { credential_info: {}, credential_values: { api_key: "gsk-9876543289" } },
        ],
      ]);

      calls.mockClear();
      const fewer: CredentialInputs = {
        ...rotated,
        values: { api_key: "gsk-9876543289", api_base: "https://eu.example.com" },
        info: { custom_llm_provider: "groq" },
      };
      await change(fewer, rotated);
      expect(listChanging(calls)).toHaveLength(1);
      expect((await read(fewer))?.inputs).toEqual(fewer);

      await credential.delete(context, inputs.name);
      expect(await read(fewer)).toBeUndefined();
      expect((await sendAdmin(server(), "DELETE", pathOf(inputs))).status).toBe(404);
      await credential.delete(context, inputs.name);
    });

    test("shows what was changed by hand, and mends it", async () => {
      const { context } = openContext();
      const inputs = wanted({ api_key: "gsk-0123456789", api_base: "https://a" });
      await credential.create(context, inputs);
      await sendAdmin(server(), "PATCH", pathOf(inputs), {
        credential_info: {},
        credential_values: { api_key: "other-0000000000", extra: "1" },
        credential_values_to_delete: ["api_base"],
      });
      expect((await read(inputs))?.inputs.values).toEqual({ api_key: "ot****00", extra: "1" });
      await change(inputs, inputs);
      expect((await read(inputs))?.inputs).toEqual(inputs);

      await sendAdmin(server(), "DELETE", pathOf(inputs));
      expect(await read(inputs)).toBeUndefined();
      await change(inputs, inputs);
      expect((await read(inputs))?.inputs).toEqual(inputs);
    });

    test("is imported with masks for secrets", async () => {
      const { context } = openContext();
      const inputs = wanted({ api_key: "gsk-0123456789", api_base: "https://a" });
      await credential.create(context, inputs);
      expect((await read(inputs, {}))?.inputs).toEqual({
        ...inputs,
        values: { api_key: "gs****89", api_base: "https://a" },
      });
    });

    test("takes over only what is ours, or is to be adopted", async () => {
      const inputs = wanted({ api_key: "gsk-0123456789", region: "eu" });
      await credential.create(openContext("first").context, inputs);
      await credential.create(openContext("first").context, inputs);
      await expect(credential.create(openContext("second").context, inputs)).rejects.toThrow(
        /exists already, and is not this stack's \(managed by pulumi:test\/first:credential\).*adopt: true.*pulumi import/,
      );
      const adopted = { ...inputs, adopt: true, values: { api_key: "gsk-other-0123" } };
      await credential.create(openContext("second").context, adopted);
      expect((await read(adopted))?.inputs).toEqual(adopted);
    });

    test("of another stack is not deleted", async () => {
      const inputs = wanted({ api_key: "gsk-0123456789" });
      const { context, messages } = openContext();
      const other = { ...context, urn: `urn:pulumi:other::test::${credential.token}::theirs` };
      await credential.create(other, inputs);
      await credential.delete(context, inputs.name);
      expect(messages.join()).toContain("taken over by pulumi:test/other:theirs");
      expect((await read(inputs))?.inputs).toEqual(inputs);
    });
  });
}
