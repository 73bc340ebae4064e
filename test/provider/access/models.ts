import { randomUUID } from "node:crypto";

import { afterAll, beforeEach, describe, expect, test, vi } from "vitest";

import { GatewayApi } from "../../../components/provider/access/gateway-api.ts";
import { model, type ModelInputs } from "../../../components/provider/access/model.ts";
import type { LitellmServer } from "../../support/litellm-server.ts";
import { operationContext } from "../../support/operation-context.ts";
import { listChanging, sendAdmin } from "./requests.ts";

const PARAMS = {
  model: "openai/gpt-4o",
  api_key: "sk-0123456789-of-the-model",
  mock_response: "from the stored model",
  input_cost_per_token: 0.000003,
  rpm: 100,
};

export function describeModels(server: () => LitellmServer): void {
  describe("model", () => {
    const made: string[] = [];
    const openContext = (name = "model") => {
      const { url, masterKey } = server();
      const { context, messages } = operationContext(undefined, { url, masterKey });
      return {
        context: { ...context, urn: `urn:pulumi:${name}::test::${model.token}::model` },
        messages,
      };
    };
    const wanted = (params: object, options: object = {}): ModelInputs => {
      const modelId = `stored-${randomUUID().slice(0, 8)}`;
      made.push(modelId);
      return model.inputs.parse({ modelId, name: `name-of-${modelId}`, params, ...options });
    };
    const read = (inputs: ModelInputs, known: Partial<ModelInputs> = inputs) =>
      model.read(openContext().context, inputs.modelId, { inputs: known, outputs: {} });
    const change = (inputs: ModelInputs, previousInputs: ModelInputs) =>
      model.update(openContext().context, inputs.modelId, {
        inputs,
        previousInputs,
        outputs: previousInputs,
      });
    const patch = ({ modelId }: ModelInputs, body: object) =>
      sendAdmin(server(), "PATCH", `/model/${modelId}/update`, body);
    const countStored = async ({ name }: ModelInputs) => {
      const { json } = await sendAdmin(server(), "GET", `/v2/model/info?size=1000&model=${name}`);
      return (json as { data: unknown[] }).data.length;
    };

    beforeEach(() => {
      vi.restoreAllMocks();
    });

    afterAll(async () => {
      for (const id of made) await sendAdmin(server(), "POST", "/model/delete", { id });
    });

    test("lives from creation to deletion, and only what differs is sent", async () => {
      const { context } = openContext();
      const inputs = wanted(PARAMS, {
        modelInfo: { base_model: "gpt-4o", access_groups: ["eu"], ours: { a: 1 } },
      });
      expect((await model.create(context, inputs)).id).toBe(inputs.modelId);
      expect((await read(inputs))?.inputs).toEqual(inputs);
      expect(await server().client.converse(inputs.name, "hello")).toBe("from the stored model");

      const calls = vi.spyOn(GatewayApi.prototype, "call");
      const creations = vi.spyOn(GatewayApi.prototype, "create");
      await change(inputs, inputs);
      expect(listChanging(calls, creations)).toEqual([]);

      const path = `/model/${inputs.modelId}/update`;
      const quicker = { ...inputs, params: { ...PARAMS, rpm: 200 } };
      await change(quicker, inputs);
      expect(listChanging(calls, creations)).toEqual([
        ["PATCH", path, { litellm_params: { rpm: 200 } }],
      ]);
      expect((await read(quicker))?.inputs).toEqual(quicker);

      creations.mockClear();
      const api_key = "sk-another-key-of-the-model";
      const rotated = { ...quicker, params: { ...quicker.params, api_key } };
      await change(rotated, quicker);
      expect(listChanging(calls, creations)).toEqual([
        ["PATCH", path, { litellm_params: { api_key } }],
      ]);

      creations.mockClear();
      const described = { ...rotated, modelInfo: { ...inputs.modelInfo, ours: { a: 2 } } };
      await change(described, rotated);
      expect(listChanging(calls, creations)).toEqual([
        [
          "PATCH",
          path,
          {
            model_info: {
              ours: { a: 2 },
              id: inputs.modelId,
              managed_by: "pulumi:test/model:model",
            },
          },
        ],
      ]);
      expect((await read(described))?.inputs).toEqual(described);

      await model.delete(context, inputs.modelId);
      expect(await read(described)).toBeUndefined();
      expect((await server().client.chat(inputs.name, "hello")).status).toBe(400);
      await model.delete(context, inputs.modelId);
    });

    test("an update leaves switches alone that LiteLLM would reset", async () => {
      const inputs = wanted({ ...PARAMS, use_in_pass_through: true });
      await model.create(openContext().context, inputs);
      const quicker = { ...inputs, params: { ...inputs.params, rpm: 200 } };
      await change(quicker, inputs);
      expect((await read(quicker))?.inputs).toEqual(quicker);
    });

    test("a parameter that is taken away is unset while requests go on", async () => {
      const inputs = wanted(
        { ...PARAMS, temperature: 0.5 },
        { modelInfo: { base_model: "gpt-4o", tier: "paid" } },
      );
      await model.create(openContext().context, inputs);
      const { model: provider, api_key, mock_response } = PARAMS;
      const params = { model: provider, api_key, mock_response };
      const fewer = { ...inputs, params, modelInfo: { tier: "paid" } };

      const end = new AbortController();
      const statuses: number[] = [];
      const load = (async () => {
        while (!end.signal.aborted) {
          statuses.push((await server().client.chat(inputs.name, "hello")).status);
        }
      })();
      await change(fewer, inputs);
      end.abort();
      await load;
      expect(statuses.length).toBeGreaterThan(1);
      expect(statuses.filter((status) => status !== 200)).toEqual([]);
      expect((await read(fewer))?.inputs).toEqual(fewer);
      expect(await countStored(fewer)).toBe(1);
    });

    test("shows what was changed by hand, and mends it", async () => {
      const inputs = wanted({ ...PARAMS, aws_session_token: "0123456789abcdef" });
      await model.create(openContext().context, inputs);
      await patch(inputs, {
        litellm_params: { rpm: 1, tpm: 2, aws_session_token: "zzzz456789abcdef" },
        model_info: { id: inputs.modelId, base_model: "gpt-4o-mini" },
        blocked: true,
      });
      expect((await read(inputs))?.inputs).toEqual({
        ...inputs,
        params: { ...inputs.params, rpm: 1, tpm: 2, aws_session_token: "zzzz********cdef" },
        modelInfo: { base_model: "gpt-4o-mini" },
        blocked: true,
      });
      await change(inputs, inputs);
      expect((await read(inputs))?.inputs).toEqual(inputs);
      expect(await countStored(inputs)).toBe(1);

      await sendAdmin(server(), "POST", "/model/delete", { id: inputs.modelId });
      expect(await read(inputs)).toBeUndefined();
      await change(inputs, inputs);
      expect((await read(inputs))?.inputs).toEqual(inputs);
    });

    test("is imported without what LiteLLM does not return", async () => {
      const inputs = wanted(PARAMS, { modelInfo: { base_model: "gpt-4o" } });
      await model.create(openContext().context, inputs);
      const { model: provider, mock_response, input_cost_per_token, rpm } = PARAMS;
      const params = { model: provider, mock_response, input_cost_per_token, rpm };
      expect((await read(inputs, {}))?.inputs).toEqual({ ...inputs, params });
    });

    test("takes over only what is ours, or is to be adopted", async () => {
      const inputs = wanted(PARAMS);
      await model.create(openContext("first").context, inputs);
      await model.create(openContext("first").context, inputs);
      expect(await countStored(inputs)).toBe(1);
      await expect(model.create(openContext("second").context, inputs)).rejects.toThrow(
        /exists already, and is not this stack's \(managed by pulumi:test\/first:model\).*adopt: true.*pulumi import/,
      );
      const adopted = { ...inputs, adopt: true, params: { ...PARAMS, rpm: 7 } };
      await model.create(openContext("second").context, adopted);
      expect((await read(adopted))?.inputs).toEqual(adopted);
    });

    test("that LiteLLM cannot serve is an error, and is not left behind", async () => {
      const inputs = wanted({ model: "nobody-knows-this-provider" });
      await expect(model.create(openContext().context, inputs)).rejects.toThrow(
        /cannot serve it as it is \(params.model is "nobody-knows-this-provider"\)/,
      );
      expect(await read(inputs)).toBeUndefined();
    });

    test("a change that LiteLLM cannot serve is an error, and what was before goes on", async () => {
      const inputs = wanted(PARAMS);
      await model.create(openContext().context, inputs);
      const broken = { ...inputs, params: { ...PARAMS, model: "nobody-knows-this-provider" } };
      const calls = vi.spyOn(GatewayApi.prototype, "call");
      await expect(change(broken, inputs)).rejects.toThrow(
        /serves it with another params\.model: see "Error upserting deployment"/,
      );
      expect(await server().client.converse(inputs.name, "hello")).toBe("from the stored model");
      // What is stored is what is served, also after a restart.
      expect(listChanging(calls)).toMatchObject([
        ["PATCH", `/model/${inputs.modelId}/update`, { litellm_params: PARAMS }],
      ]);
      expect((await read(inputs))?.inputs).toEqual(inputs);
    });

    test("what LiteLLM returns masked, or written otherwise, is no drift", async () => {
      const inputs = wanted({
        ...PARAMS,
        rpm: "100",
        azure_ad_token: "short",
        "private-note": "äöüÄÖÜß€äöüÄÖÜß",
        drop_params: false,
        extra_headers: { Authorization: "Bearer 0123456789", "X-Team": "search", nothing: null },
        access_list: ["0123456789", 7, ["abcdefghij"], { name: "n", secret: "0123456789" }],
        tags: ["eu"],
        private_link: true,
      });
      await model.create(openContext().context, inputs);
      expect((await read(inputs))?.inputs).toEqual(inputs);
    });

    test("an environment variable of the gateway stands for itself", async () => {
      const inputs = wanted({ ...PARAMS, api_base: "os.environ/HOME" });
      await model.create(openContext().context, inputs);
      expect((await read(inputs))?.inputs).toEqual(inputs);
    });

    test("of wildcards is read as it was written, also in a list", async () => {
      const inputs = wanted({ model: "openai/*", api_key: "sk-x" }, { name: "openai/*" });
      await model.create(openContext().context, inputs);
      for (let times = 0; times < 4; times++) expect((await read(inputs))?.inputs).toEqual(inputs);
    });
  });
}
