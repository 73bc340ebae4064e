import { execFileSync } from "node:child_process";

import { beforeAll, describe, expect, test } from "vitest";

import { provideLitellmEnvironment } from "../support/litellm-environment.ts";

interface Request {
  readonly key: string | null;
  readonly data?: Readonly<Record<string, unknown>>;
  /** Cache controls that the key may give; none: all. */
  readonly allowed?: readonly string[];
}

/** What LiteLLM's callback makes of a request. */
interface Handled {
  readonly data: Readonly<Record<string, unknown>>;
  /** Under which LiteLLM's cache keeps the answer. */
  readonly cacheKey: string;
  readonly allowed: readonly string[] | null;
}

/**
 * Runs the callback as LiteLLM does. `$VICTIM` in a request stands for the name of the first one's
 * answer, `$NAMESPACE` for the part before its colon.
 */
const PROGRAM = `
import asyncio, importlib.util, json, sys
from litellm.caching.caching import Cache
from litellm.proxy._types import UserAPIKeyAuth

spec = importlib.util.spec_from_file_location("cache_isolation", "templates/cache_isolation.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
cache = Cache(type="local")

def handle(request):
    key = UserAPIKeyAuth(api_key=request["key"], allowed_cache_controls=request.get("allowed"))
    data = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **request.get("data", {})}
    data = asyncio.run(module.cache_isolation.async_pre_call_hook(key, None, data, "completion"))
    # As LiteLLM's Cache.get_cache does.
    name = data["cache_key"] if "cache_key" in data else cache.get_cache_key(**data)
    return {"data": data, "cacheKey": name, "allowed": key.allowed_cache_controls}

requests = json.load(sys.stdin)
victim = handle(requests["first"])["cacheKey"]
text = json.dumps(requests).replace("$VICTIM", victim).replace("$NAMESPACE", victim.split(":")[0])
print(json.dumps({name: handle(request) for name, request in json.loads(text).items()}))
`;

const requests = {
  first: { key: "sk-first" },
  again: { key: "sk-first" },
  otherKey: { key: "sk-other" },
  otherModel: { key: "sk-first", data: { model: "n" } },
  noKey: { key: null, data: { cache: { ttl: 5 } } },
  byCacheKey: { key: "sk-other", data: { cache_key: "$VICTIM" } },
  byPresetKey: { key: "sk-other", data: { preset_cache_key: "$VICTIM" } },
  byParams: { key: "sk-other", data: { litellm_params: { preset_cache_key: "$VICTIM" } } },
  byNamespace: { key: "sk-other", data: { cache: { namespace: "$NAMESPACE" } } },
  byMetadata: { key: "sk-other", data: { metadata: { redis_namespace: "$NAMESPACE" } } },
  controls: { key: "sk-first", data: { cache: { ttl: 5, "no-store": true } } },
  ownNamespace: { key: "sk-first", data: { cache: { namespace: "mine" } } },
  noObject: { key: "sk-first", data: { cache: "on" } },
  limited: { key: "sk-first", allowed: ["no-cache"] },
  limitedAsking: {
    key: "sk-first",
    allowed: ["no-cache"],
    data: { cache: { namespace: "mine" } },
  },
  free: { key: "sk-first", allowed: [] },
} satisfies Record<string, Request>;

let handled: Readonly<Record<keyof typeof requests, Handled>>;

beforeAll(async () => {
  const { python } = await provideLitellmEnvironment();
  const output = execFileSync(python, ["-c", PROGRAM], {
    input: JSON.stringify(requests),
    encoding: "utf8",
    env: { ...process.env, LITELLM_LOCAL_MODEL_COST_MAP: "True" },
  });
  const line = output.split("\n").findLast((text) => text.startsWith("{"));
  handled = JSON.parse(line ?? "") as typeof handled;
});

describe("each key's answers", () => {
  test("have a name of their own, which is the same for equal requests", () => {
    const { first, again, otherKey, otherModel } = handled;
    expect(again.cacheKey).toBe(first.cacheKey);
    expect(new Set([first.cacheKey, otherKey.cacheKey, otherModel.cacheKey]).size).toBe(3);
    expect(first.cacheKey).toMatch(/^[0-9a-f]{32}:[0-9a-f]{64}$/);
  });

  test.each(["byCacheKey", "byPresetKey", "byParams", "byNamespace", "byMetadata"] as const)(
    "cannot be named by the client of another key: %s",
    (attempt) => {
      const { first, otherKey } = handled;
      expect(handled[attempt].cacheKey).not.toBe(first.cacheKey);
      const namespace = otherKey.cacheKey.split(":")[0] ?? "";
      expect(handled[attempt].cacheKey.startsWith(`${namespace}:`)).toBe(true);
    },
  );

  test("are neither read nor kept for a request without a key", () => {
    expect(handled.noKey.data["cache"]).toEqual({ ttl: 5, "no-cache": true, "no-store": true });
  });
});

test("a client's own controls remain, and what is no object is replaced", () => {
  const namespace = handled.first.cacheKey.split(":")[0] ?? "";
  expect(handled.controls.data["cache"]).toEqual({ ttl: 5, "no-store": true, namespace });
  expect(handled.ownNamespace.data["cache"]).toEqual({ namespace: `${namespace}:mine` });
  expect(handled.noObject.data["cache"]).toEqual({ namespace });
});

test("a key that is allowed some controls only is not refused for what is set here", () => {
  expect(handled.limited.allowed).toEqual(["no-cache", "namespace"]);
  expect(handled.limitedAsking.allowed).toEqual(["no-cache"]);
  expect(handled.free.allowed).toEqual([]);
});
