import { describe, expect, test } from "vitest";

import {
  judge,
  readReason,
  Refusal,
  Unavailable,
} from "../../../components/provider/access/api-failure.ts";
import type { Answer } from "../../../components/proxy-client.ts";

const ASKED = { name: "POST /team/new", url: "https://litellm.example.com" };
const TRIAL =
  "You must be a LiteLLM Enterprise user to use this feature. If you have a license please set " +
  "`LITELLM_LICENSE` in your env. Get a 7 day trial key here: https://www.litellm.ai/enterprise#trial. " +
  "\nPricing: https://www.litellm.ai/#pricing";
const NO_DATABASE =
  "DB not connected. This endpoint needs a database; set DATABASE_URL to a PostgreSQL connection string " +
  "(postgresql://...) to enable it. See https://docs.litellm.ai/docs/proxy/virtual_keys";

function answer(status: number, json: unknown, headers: Answer["headers"] = {}): Answer {
  return { status, headers, json, text: JSON.stringify(json) };
}

const page = (status: number, text: string): Answer => ({
  status,
  headers: {},
  text,
  json: undefined,
});

/** As LiteLLM's own exceptions come. */
const failed = (status: number, message: string, type = "internal_server_error"): Answer =>
  answer(status, { error: { message, type, param: null, code: String(status) } });

const readError = (from: Answer): Error => {
  const outcome = judge(from, ASKED);
  if (!(outcome instanceof Error)) throw new Error(`no error: ${JSON.stringify(outcome)}`);
  return outcome;
};

describe("what an answer says", () => {
  test.each<[string, unknown, string]>([
    ["a message", { error: { message: "Key not found." } }, "Key not found."],
    [
      "a dictionary of Python",
      { error: { message: "{'error': 'No keys found'}" } },
      "No keys found",
    ],
    [
      "another of its keys",
      { error: { message: "{'message': 'Team not found, passed team id: nope.'}" } },
      "Team not found, passed team id: nope.",
    ],
    [
      "Python's other quotes",
      { error: { message: `{'error': "Invalid budget_duration 'x'. Use '1h'."}` } },
      "Invalid budget_duration 'x'. Use '1h'.",
    ],
    [
      "both quotes, and lines",
      { error: { message: `{'error': 'a \\'b\\' "c"\\nd \\\\ e'}` } },
      `a 'b' "c" d \\ e`,
    ],
    ["a detail", { detail: "Only admin users can view it" }, "Only admin users can view it"],
    ["an error in the detail", { detail: { error: "No such team" } }, "No such team"],
    ["a message in the detail's error", { detail: { error: { message: "No" } } }, "No"],
    ["a text", { error: "no" }, "no"],
    [
      "what FastAPI does not accept, without the value",
      {
        detail: [
          {
            type: "x",
            loc: ["body", "max_budget"],
            msg: "Input should be a number",
            input: "sk-1",
          },
          { type: "x", loc: ["body", "models", 0], msg: "Input should be a string" },
        ],
      },
      "max_budget: Input should be a number; models.0: Input should be a string",
    ],
    ["nothing that is known", { status: "bad" }, '{"status":"bad"}'],
  ])("%s", (_, json, reason) => {
    expect(readReason({ json, text: JSON.stringify(json) })).toBe(reason);
  });

  test("a page's words, and no more than are read", () => {
    const text = `<html><head><style>p {color: red}</style></head><body><h1>502</h1>
      <p>Bad Gateway</p></body></html>`;
    expect(readReason({ text, json: undefined })).toBe("502 Bad Gateway");
    expect(readReason({ text: "", json: undefined })).toBe("nothing");
    expect(readReason({ text: "x".repeat(9999), json: undefined })).toHaveLength(500);
  });
});

describe("what an answer means", () => {
  test("success is JSON", () => {
    expect(judge(answer(200, { keys: [] }), ASKED)).toBeUndefined();
    expect(judge(answer(200, null), ASKED)).toBeUndefined();
    expect(judge(page(204, ""), ASKED)).toBeUndefined();
    expect(readError(page(200, "<h1>Welcome</h1>")).message).toBe(
      "https://litellm.example.com answered POST /team/new with 200 (Welcome), as LiteLLM does not: " +
        "is this its base URL? See: curl https://litellm.example.com/health/liveliness",
    );
  });

  test("what LiteLLM does not want is refused at once", () => {
    const error = readError(failed(400, "{'error': 'No such model'}"));
    expect(error).toBeInstanceOf(Refusal);
    expect(error).toMatchObject({ status: 400, reason: "No such model" });
    expect(error.message).toBe("POST /team/new was refused with 400: No such model");
  });

  test("what is not there is not taken for another server's 404", () => {
    expect(readError(failed(404, "{'error': 'Team not found'}"))).toBeInstanceOf(Refusal);
    // A route that LiteLLM does not have, Traefik without a router, and a web server's page.
    for (const foreign of [
      answer(404, { detail: "Not Found" }),
      page(404, "404 page not found\n"),
      page(400, "Client sent an HTTP request to an HTTPS server."),
      page(403, "<h1>Forbidden</h1>"),
    ]) {
      const error = readError(foreign);
      expect(error).toBeInstanceOf(Unavailable);
      expect(error.message).toContain("is this its base URL?");
    }
  });

  test("a redirection names where to", () => {
    const moved = {
      ...page(308, ""),
      headers: { location: "https://litellm.example.com/team/new" },
    };
    expect(readError(moved).message).toContain(
      "on to https://litellm.example.com/team/new: give the URL",
    );
  });

  test.each([
    failed(400, NO_DATABASE),
    failed(500, `{'error': '${NO_DATABASE}'}`),
    answer(500, { detail: { error: NO_DATABASE } }),
    answer(500, { detail: "Database not connected" }),
    failed(400, "No connected db.", "no_db_connection"),
    failed(500, "{'error': 'No db connected'}"),
    answer(500, { detail: { error: "No db connected. prisma client=None" } }),
    failed(
      500,
      `{'error': "No DB Connected. Here's how to do it - https://docs.litellm.ai/docs/proxy/virtual_keys"}`,
    ),
  ])("a gateway without a database is not waited for: %#", (without) => {
    const error = readError(without);
    expect(error).toBeInstanceOf(Unavailable);
    expect(error.message).toContain("has no database, which is where LiteLLM keeps teams");
    expect(error.message).toContain("curl https://litellm.example.com/health/readiness");
  });

  test.each([
    failed(401, "Authentication Error, No api key passed in.", "auth_error"),
    failed(401, "LiteLLM Virtual Key expected. Received=****, expected to start with 'sk-'."),
    failed(
      401,
      "Authentication Error, Only proxy admin can be used to generate, delete, update info for new " +
        "keys/users/teams. Route=/team/new. Your role=unknown. Your user_id=*******",
    ),
    answer(401, {
      detail: {
        error: "Only admin users can query all teams/other teams. Your user role=internal_user",
      },
    }),
    answer(403, { detail: { error: "Only proxy admins and organization admins can list users." } }),
    failed(
      403,
      "You are not authorized to access this endpoint. No 'user_id' is associated with your API key.",
    ),
    failed(
      403,
      "{'error': 'User does not have permission to make this model call. Your role=internal_user. You can " +
        "only make model calls if you are a PROXY_ADMIN or if you are a team admin.'}",
    ),
    failed(
      403,
      "user not allowed to access this route, role= proxy_admin_viewer. Trying to access: /team/new",
    ),
    answer(403, {
      detail: { error: "Admin-only endpoint. Not allowed to access this., your role=x" },
    }),
    failed(
      403,
      "Virtual key is not allowed to call this route. Only allowed to call routes: ['llm_api_routes'].",
    ),
    failed(403, "View-only users cannot manage models."),
    failed(403, "Only PROXY_ADMIN or ORG_ADMIN users may delete users."),
  ])("a key that does not manage is explained: %#", (denied) => {
    const error = readError(denied);
    expect(error).toBeInstanceOf(Unavailable);
    expect(error.message).toContain(
      "POST /team/new at https://litellm.example.com: the key that was given does not manage this gateway",
    );
    expect(error.message).toContain(`curl -H "Authorization: Bearer $LITELLM_MASTER_KEY"`);
  });

  test("a 403 of another kind is a refusal", () => {
    const reason = "Custom API key values are disabled by your administrator.";
    expect(readError(answer(403, { detail: { error: reason } }))).toMatchObject({
      name: "Refusal",
      reason,
    });
  });

  test.each([
    [
      failed(
        403,
        `{'error': 'This feature is only available for LiteLLM Enterprise users: tags. ${TRIAL}'}`,
      ),
      "This feature is only available for LiteLLM Enterprise users: tags",
    ],
    [
      failed(400, `Assigning team admins is a premium feature. ${TRIAL}`),
      "Assigning team admins is a premium feature",
    ],
    [answer(403, { detail: { error: TRIAL } }), "for holders of LiteLLM's licence"],
    [answer(403, { detail: "License is over limit." }), "License is over limit."],
  ])("what needs the licence says so in a line: %#", (gated, reason) => {
    const error = readError(gated);
    expect(error).toMatchObject({ name: "Refusal", reason });
    expect(error.message).toBe(
      `POST /team/new was refused with ${gated.status}: ${reason}; this needs LiteLLM's licence: ` +
        "leave it out, or set LITELLM_LICENSE for the gateway",
    );
  });

  test.each([
    page(502, "Bad Gateway"),
    page(503, "no available server"),
    failed(504, "x"),
    failed(
      503,
      "Service Unavailable, the authentication database is temporarily unreachable.",
      "no_db_connection",
    ),
  ])("a gateway that is away for a moment is waited for: %#", (away) => {
    expect(judge(away, ASKED)).toMatchObject({ mayHaveHappened: true });
    expect(judge(away, ASKED)).not.toHaveProperty("lasting");
  });

  test.each([
    failed(500, "'NoneType' object has no attribute 'x'"),
    page(500, "Internal Server Error"),
  ])("another 500 is not waited for until patience ends: %#", (broken) => {
    const outcome = judge(broken, ASKED);
    expect(outcome).toMatchObject({ mayHaveHappened: true, lasting: { status: 500 } });
  });

  test.each<[string | undefined, number | undefined]>([
    [undefined, undefined],
    ["7", 7],
    ["0", 0],
    ["soon", undefined],
    ["Thu, 01 Jan 1970 00:00:00 GMT", 0],
  ])("a rate limit has done nothing, and says how long to wait: %s", (header, seconds) => {
    const outcome = judge(
      answer(429, { error: "busy" }, header === undefined ? {} : { "retry-after": header }),
      ASKED,
    );
    expect(outcome).toEqual({
      problem: "429: busy",
      mayHaveHappened: false,
      ...(seconds !== undefined && { retryAfterSeconds: seconds }),
    });
  });
});
