import { describe, expect, test } from "vitest";

import {
  checkIncludes,
  listIncludedFiles,
  listModelNames,
} from "../../../stacks/settings/includes.ts";
import { parseSettings, SettingsError } from "../../../stacks/settings/settings.ts";
import { mockModels, rawConfig, refusal } from "./raw-config.ts";

const models = mockModels;

const TEAM = `# Models of the team.
model_list:
  - model_name: team
    litellm_params: &upstream
      model: openai/gpt-5
      api_key: os.environ/TEAM_API_KEY
  - model_name: team-long
    litellm_params:
      <<: *upstream
      timeout: 30
    model_info: {mode: chat, owner: team}
guardrails: []
`;

/** What is said of the files, in an order of its own. */
function faults(files: Record<string, string>, plain: Record<string, unknown> = {}): string {
  const settings = parseSettings(rawConfig({ models, includes: Object.keys(files), ...plain }));
  return new SettingsError(checkIncludes(settings, files)).message;
}

/** What is said of a file alone. */
const faultsOf = (text: string): string => faults({ "models/team.yaml": text });

test("a file of the user's own, with references that are provided", () => {
  const files = { "config/team.yaml": TEAM };
  const settings = parseSettings(
    rawConfig(
      {
        models: [{ name: "hello", provider: "mock", fallbacks: ["team"] }],
        includes: Object.keys(files),
        router: { defaultFallbacks: ["team-long"] },
      },
      { secrets: { teamApiKey: "value" } },
    ),
    (path) => (path === "config/team.yaml" ? TEAM : undefined),
  );
  expect(checkIncludes(settings, files)).toEqual([]);
  expect(listIncludedFiles(settings)).toEqual(["config/team.yaml"]);
  expect(listModelNames(settings, files)).toEqual(["hello", "team", "team-long"]);
});

test("paths that are none inside the project", () => {
  expect(
    refusal({ models, includes: ["/etc/team.yaml", "../team.yaml", "a/../b.yaml", "team.json"] }),
  ).toMatchInlineSnapshot(`
    "invalid settings: 4 errors

    includes[0] must be the path of a file inside the project that ends in .yaml, not "/etc/team.yaml"
      pulumi config set --path 'includes[0]' <value>

    includes[1] must be the path of a file inside the project that ends in .yaml, not "../team.yaml"
      pulumi config set --path 'includes[1]' <value>

    includes[2] must be the path of a file inside the project that ends in .yaml, not "a/../b.yaml"
      pulumi config set --path 'includes[2]' <value>

    includes[3] must be the path of a file inside the project that ends in .yaml, not "team.json"
      pulumi config set --path 'includes[3]' <value>"
  `);
  expect(refusal({ models, includes: "team.yaml" })).toMatchInlineSnapshot(`
    "invalid settings: 1 error

    includes must be a list, not "team.yaml"
      pulumi config rm includes"
  `);
});

test("faults of files come with those of the settings", () => {
  const parse = () =>
    parseSettings(
      rawConfig({ models, includes: ["team.yaml", "gone.yaml"], requestTimeoutSeconds: 0 }),
      (path) => (path === "team.yaml" ? "model_list: {}\n" : undefined),
    );
  expect(parse).toThrowErrorMatchingInlineSnapshot(`
    [SettingsError: invalid settings: 3 errors

    includes[0] team.yaml:1 model_list is no list: LiteLLM would put it in the place of all that the gateway's own file has there
      $EDITOR +1 team.yaml

    includes[1] is "gone.yaml", which is no file that can be read
      pulumi config rm --path 'includes[1]'

    requestTimeoutSeconds must be at least 1, not "0"
      pulumi config set requestTimeoutSeconds 600]
  `);
});

describe("a file that", () => {
  test("is no YAML", () => {
    expect(faultsOf("model_list:\n  - model_name: [a\n")).toMatchInlineSnapshot(`
      "invalid settings: 1 error

      includes[0] models/team.yaml:3 is no YAML: Flow sequence in block collection must be sufficiently indented and end with a ]
        $EDITOR +3 models/team.yaml"
    `);
    expect(faultsOf("model_list:\n\t- a\n")).toMatchInlineSnapshot(`
      "invalid settings: 1 error

      includes[0] models/team.yaml:2 is no YAML: Tabs are not allowed as indentation
        $EDITOR +2 models/team.yaml"
    `);
    expect(faultsOf("model_list: []\nmodel_list: []\n")).toMatchInlineSnapshot(`
      "invalid settings: 1 error

      includes[0] models/team.yaml:2 is no YAML: Map keys must be unique
        $EDITOR +2 models/team.yaml"
    `);
    expect(faultsOf("model_list: !!python/object:os.system []\n")).toMatchInlineSnapshot(`
      "invalid settings: 1 error

      includes[0] models/team.yaml:1 is no YAML: Unresolved tag: tag:yaml.org,2002:python/object:os.system
        $EDITOR +1 models/team.yaml"
    `);
    expect(faultsOf("- model_name: a\n")).toMatchInlineSnapshot(`
      "invalid settings: 1 error

      includes[0] models/team.yaml:1 must be lists by name, such as model_list
        $EDITOR +1 models/team.yaml"
    `);
    expect(faultsOf("")).toMatchInlineSnapshot(`
      "invalid settings: 1 error

      includes[0] models/team.yaml:1 must be lists by name, such as model_list
        $EDITOR +1 models/team.yaml"
    `);
    expect(faultsOf("a: []\n---\nb: []\n")).toMatchInlineSnapshot(`
      "invalid settings: 1 error

      includes[0] models/team.yaml:2 is no YAML: Source contains multiple documents; please use YAML.parseAllDocuments()
        $EDITOR +2 models/team.yaml"
    `);
  });

  test("would replace what the gateway has, or hides others", () => {
    expect(
      faultsOf(
        "litellm_settings:\n  request_timeout: 33\ninclude: [more.yaml]\nmodel_lists: []\nmodel_list: []\n",
      ),
    ).toMatchInlineSnapshot(`
      "invalid settings: 3 errors

      includes[0] models/team.yaml:1 litellm_settings is no list: LiteLLM would put it in the place of all that the gateway's own file has there
        $EDITOR +1 models/team.yaml

      includes[0] models/team.yaml:3 include is not for an included file; name all files in the setting includes
        $EDITOR +3 models/team.yaml

      includes[0] models/team.yaml:4 model_lists is no list that LiteLLM reads, did you mean "model_list"?
        $EDITOR +4 models/team.yaml"
    `);
  });

  test("has models that LiteLLM would not have", () => {
    expect(
      faultsOf(`model_list:
  - model_name: a
  - name: b
    litellm_params: {model: opanai/gpt-5}
  - model_name: 3
    litellm_params: {api_bass: "http://127.0.0.1"}
    model_info: []
  - model_name: c
    litellm_params:
      model: openai/gpt-5
      rpm: many
  - just a text
`),
    ).toMatchInlineSnapshot(`
      "invalid settings: 10 errors

      includes[0] models/team.yaml:2 model_list[0].litellm_params must be an object with model
        $EDITOR +2 models/team.yaml

      includes[0] models/team.yaml:3 model_list[1].name is no key of a model
        $EDITOR +3 models/team.yaml

      includes[0] models/team.yaml:3 model_list[1].model_name must be the name that clients ask for, a text
        $EDITOR +3 models/team.yaml

      includes[0] models/team.yaml:4 model_list[1].litellm_params.model is "opanai/gpt-5", of a provider that LiteLLM does not know, did you mean "openai/gpt-5"?
        $EDITOR +4 models/team.yaml

      includes[0] models/team.yaml:5 model_list[2].model_name must be the name that clients ask for, a text
        $EDITOR +5 models/team.yaml

      includes[0] models/team.yaml:6 model_list[2].litellm_params.model must be LiteLLM's name of the model, a text
        $EDITOR +6 models/team.yaml

      includes[0] models/team.yaml:6 model_list[2].litellm_params.api_bass is no key of LiteLLM 1.106.2 in litellm_params, which would ignore it, did you mean "api_base"?
        $EDITOR +6 models/team.yaml

      includes[0] models/team.yaml:7 model_list[2].model_info must be an object
        $EDITOR +7 models/team.yaml

      includes[0] models/team.yaml:11 model_list[3].litellm_params.rpm must be a whole number, not "many"
        $EDITOR +11 models/team.yaml

      includes[0] models/team.yaml:12 model_list[4] must be an object with model_name and litellm_params
        $EDITOR +12 models/team.yaml"
    `);
  });

  test("holds secrets, and is not quoted", () => {
    const message = faultsOf(`model_list:
  - model_name: a
    litellm_params:
      model: openai/gpt-5
      api_key: clear-value
      api_base: https://user:clear-value@upstream.example.com
  - model_name: b
    litellm_params: {model: openai/gpt-5, api_key: none}
  # - api_key: sk-clear0123456789abcdef
`);
    expect(message).not.toMatch(/clear/);
    expect(message).toMatchInlineSnapshot(`
      "invalid settings: 3 errors

      includes[0] models/team.yaml:5 holds a secret in plain text (not shown); store it as a secret and write os.environ/TEAM_API_KEY
        pulumi config set --secret --path 'secrets.teamApiKey' && $EDITOR +5 models/team.yaml

      includes[0] models/team.yaml:6 holds a secret in plain text (not shown); store it as a secret and write os.environ/TEAM_API_BASE
        pulumi config set --secret --path 'secrets.teamApiBase' && $EDITOR +6 models/team.yaml

      includes[0] models/team.yaml:9 holds a secret in plain text (not shown); take it out
        $EDITOR +9 models/team.yaml"
    `);
  });

  test("refers to what nothing provides", () => {
    expect(faultsOf(TEAM)).toMatchInlineSnapshot(`
      "invalid settings: 2 errors

      includes[0] models/team.yaml:6 model_list[0].litellm_params.api_key refers to TEAM_API_KEY, which neither a secret nor environmentVariables provides
        pulumi config set --secret --path 'secrets.teamApiKey'

      includes[0] models/team.yaml:8 model_list[1].litellm_params.api_key refers to TEAM_API_KEY, which neither a secret nor environmentVariables provides
        pulumi config set --secret --path 'secrets.teamApiKey'"
    `);
  });
});

describe("names", () => {
  const file = (name: string, balanced = false) =>
    `model_list:\n  - model_name: ${name}\n    litellm_params: {model: openai/gpt-5}\n` +
    (balanced ? "    model_info: {load_balanced: true}\n" : "");

  test("of files that would be one", () => {
    expect(
      faults(
        { "a/team.yaml": file("a"), "b/team.yaml": file("b"), "mock.yaml": file("c") },
        { modelFiles: { groupBy: "provider" } },
      ),
    ).toMatchInlineSnapshot(`
      "invalid settings: 2 errors

      includes[1] is "b/team.yaml", which would be models/team.yaml beside the proxy, as is includes[0]: rename the file
        pulumi config rm --path 'includes[1]'

      includes[2] is "mock.yaml", which would be models/mock.yaml beside the proxy, the file of models[0]: rename the file
        pulumi config rm --path 'includes[2]'"
    `);
  });

  test("of models that there are twice", () => {
    expect(faults({ "a.yaml": file("hello"), "b.yaml": file("hello") })).toMatchInlineSnapshot(`
      "invalid settings: 2 errors

      includes[0] a.yaml:2 model_name is "hello", as in models[0] and b.yaml:2: give each its own name, or set loadBalanced (in a file model_info.load_balanced) on all of them and LiteLLM spreads requests over them
        $EDITOR +2 a.yaml

      includes[1] b.yaml:2 model_name is "hello", as in models[0] and a.yaml:2: give each its own name, or set loadBalanced (in a file model_info.load_balanced) on all of them and LiteLLM spreads requests over them
        $EDITOR +2 b.yaml"
    `);
    const balanced = parseSettings(
      rawConfig({
        models: [{ name: "hello", provider: "mock", loadBalanced: true }],
        includes: ["a.yaml", "b.yaml"],
      }),
    );
    const files = { "a.yaml": file("hello", true), "b.yaml": file("hello", true) };
    expect(checkIncludes(balanced, files)).toEqual([]);
  });

  test("of fallbacks that no file has", () => {
    expect(
      faults(
        { "a.yaml": file("alpha") },
        {
          models: [{ name: "hello", provider: "mock", fallbacks: ["alpa"] }],
          router: { defaultFallbacks: ["beta"] },
          routerSettings: { context_window_fallbacks: [{ hello: ["gamma"] }] },
        },
      ),
    ).toMatchInlineSnapshot(`
      "invalid settings: 3 errors

      models[0].fallbacks[0] is "alpa", but no model has this name, did you mean "alpha"?
        pulumi config set --path 'models[0].fallbacks[0]' alpha

      router.defaultFallbacks[0] is "beta", but no model has this name
        pulumi config rm --path 'router.defaultFallbacks[0]'

      routerSettings.context_window_fallbacks[0].hello[0] is "gamma", but no model has this name
        pulumi config rm --path 'routerSettings.context_window_fallbacks[0].hello[0]'"
    `);
  });
});
