import { expect, test } from "vitest";

import { maskCredentialValue, maskParams } from "../../../components/provider/access/masking.ts";

/** As `SensitiveDataMasker().mask_dict` of the locked LiteLLM answers. */
test("parameters of a model are masked by the parts of their names", () => {
  expect(
    maskParams({
      aws_session_token: "0123456789abcdef",
      azure_ad_token: "12345678",
      api_base: "https://eu.example.com",
      litellm_credential_name: "groq-of-europe",
      default_api_key_rpm_limit: 5,
      max_tokens: 100,
      input_cost_per_token: 0.000001,
      vertex_access_id: 123456789012,
      private_network: true,
      "x-auth": "",
      extra_headers: { Authorization: "Bearer 0123456789", "X-Team": "search", nothing: null },
      access_keys: ["0123456789", 7, ["abcdefghij"], { name: "n", secret: "0123456789" }],
      tags: ["eu", null],
      azure_password: "äöüÄÖÜß€äöüÄÖÜß",
    }),
  ).toEqual({
    aws_session_token: "0123********cdef",
    azure_ad_token: "********",
    api_base: "https://eu.example.com",
    litellm_credential_name: "groq-of-europe",
    default_api_key_rpm_limit: 5,
    max_tokens: 100,
    input_cost_per_token: 0.000001,
    vertex_access_id: "1234****9012",
    private_network: "****",
    "x-auth": "",
    extra_headers: { Authorization: "Bear*********6789", "X-Team": "search", nothing: "None" },
    access_keys: ["0123**6789", 7, ["abcd**ghij"], { name: "n", secret: "0123**6789" }],
    tags: ["eu", "None"],
    azure_password: "äöüÄ*******ÄÖÜß",
  });
});

/** As `get_masked_values` of the locked LiteLLM answers. */
test.each([
  ["api_key", "sk-0123456789", "sk****89"],
  ["api_key", "four", "*****"],
  ["api_key", "", "*****"],
  ["AWS_SECRET_ACCESS_KEY", "12345", "12****45"],
  ["monkey", "banana", "ba****na"],
  ["api_base", "https://eu.example.com", "https://eu.example.com"],
])("value %s of a credential, %j, is shown as %j", (name, value, shown) => {
  expect(maskCredentialValue(name, value)).toBe(shown);
});
