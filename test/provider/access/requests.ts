import type { Mock } from "vitest";

import type { ApiRequest } from "../../../components/provider/access/gateway-api.ts";
import type { LitellmServer } from "../../support/litellm-server.ts";

/** A change by hand, through the API. */
export async function sendAdmin(
  { url, masterKey }: LitellmServer,
  method: "DELETE" | "GET" | "PATCH" | "POST",
  path: string,
  body?: object,
): Promise<{ readonly status: number; readonly json: unknown }> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${masterKey}`, "content-type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, json: await response.json() };
}

/** Requests of a spied `GatewayApi` that change something: method, path and body. */
export function listChanging(...spies: readonly Mock[]): unknown[] {
  return spies
    .flatMap((spy) => spy.mock.calls.map(([request]) => request as ApiRequest))
    .filter(({ method, body }) => (method ?? (body === undefined ? "GET" : "POST")) !== "GET")
    .map(({ method = "POST", path, body }) => [method, path, body]);
}
