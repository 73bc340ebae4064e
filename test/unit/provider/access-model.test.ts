import { describe, expect, test } from "vitest";

import type { LiveModel } from "../../../components/provider/access/gateway.ts";
import {
  listParamChanges,
  readModelInfo,
  readParams,
} from "../../../components/provider/access/model-params.ts";
import { model } from "../../../components/provider/access/model.ts";

/** As LiteLLM answers: without `api_key`, and with what it adds. */
const LIVE = {
  model: "openai/gpt-5",
  rpm: 100,
  aws_session_token: "0123********cdef",
  use_xai_oauth: false,
  use_in_pass_through: false,
};
const WANTED = {
  model: "openai/gpt-5",
  rpm: 100,
  aws_session_token: "0123456789abcdef",
  api_key: "sk-secret",
};

describe("parameters", () => {
  test("that LiteLLM adds, hides, masks or rounds are no drift", () => {
    const known = { ...WANTED, rpm: "100", api_base: "os.environ/BASE", nothing: null };
    const live = { ...LIVE, api_base: "https://resolved.example.com" };
    expect(readParams(live, known)).toEqual(known);
    expect(listParamChanges(known, live, known)).toEqual({ changed: {}, removed: [] });
  });

  test("that somebody has changed are shown", () => {
    const live = { ...LIVE, rpm: 5, aws_session_token: "zzzz********cdef", tpm: 7 };
    expect(readParams(live, WANTED)).toEqual({
      ...WANTED,
      rpm: 5,
      aws_session_token: "zzzz********cdef",
      tpm: 7,
    });
    expect(listParamChanges(WANTED, live, WANTED)).toEqual({
      changed: { rpm: 100, aws_session_token: "0123456789abcdef" },
      removed: ["tpm"],
    });
  });

  test("that cannot be compared are sent when the program changes them", () => {
    const wanted = {
      ...WANTED,
      api_key: "sk-new",
      aws_session_token: "0123xxxxxxxxcdef",
      api_base: "os.environ/OTHER",
    };
    const previous = { ...WANTED, api_base: "os.environ/BASE" };
    const { changed, removed } = listParamChanges(wanted, LIVE, previous);
    const { api_key, aws_session_token, api_base } = wanted;
    expect(changed).toEqual({ api_key, aws_session_token, api_base });
    expect(removed).toEqual([]);
  });

  test("that are hidden and leave the program are unset", () => {
    const { model: provider, rpm, aws_session_token } = WANTED;
    const wanted = { model: provider, rpm, aws_session_token };
    expect(listParamChanges(wanted, LIVE, WANTED).removed).toEqual(["api_key"]);
  });
});

describe("model_info", () => {
  const describeLive = (info: object): LiveModel => ({
    model_name: "gpt",
    litellm_params: { ...LIVE, input_cost_per_token: 0.000001 },
    model_info: { id: "m", db_model: true, ...info },
  });

  test("is what was stored, without what LiteLLM has looked up or keeps there", () => {
    const live = describeLive({
      managed_by: "pulumi:p/s:m",
      blocked: false,
      member_auto_router: false,
      input_cost_per_token: 0.000001,
      base_model: "gpt-5",
      pricing_overrides: [],
      key: "gpt-5",
      mode: "chat",
      max_tokens: 128_000,
    });
    expect(readModelInfo(live, {})).toEqual({ base_model: "gpt-5" });
  });

  test("of an older LiteLLM is compared where the program says something", () => {
    const live = describeLive({ base_model: "gpt-4", key: "gpt-5", mode: "chat" });
    expect(readModelInfo(live, { base_model: "gpt-5" })).toEqual({ base_model: "gpt-4" });
  });
});

test.each([
  [{ params: {} }, "params.model", /must name the provider/],
  [{ modelInfo: { team_id: "search" } }, "modelInfo.team_id", /models of one team are not offered/],
  [{ modelInfo: { id: "x" } }, "modelInfo.id", /LiteLLM's own/],
  [{ modelInfo: { managed_by: "me" } }, "modelInfo.managed_by", /choose another name/],
  [
    { modelInfo: { input_cost_per_token: 1 } },
    "modelInfo.input_cost_per_token",
    /put it into params/,
  ],
])("%j is refused at %s", (change, path, message) => {
  const given = { modelId: "m", name: "gpt", params: { model: "openai/gpt-5" }, ...change };
  const { error } = model.inputs.safeParse(given);
  expect(error?.issues.map((issue) => issue.path.join("."))).toEqual([path]);
  expect(error?.issues[0]?.message).toMatch(message);
});
