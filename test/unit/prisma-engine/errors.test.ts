import { expect, test } from "vitest";

import { parseConnectionUrl } from "../../../tools/prisma-engine/connection-url.ts";
import {
  describeConnectionError,
  ErrorTranslator,
  isStatementError,
} from "../../../tools/prisma-engine/errors.ts";

const target = parseConnectionUrl(
  "postgresql://litellm:hunter2@db:5433/gateway?connection_limit=3",
);

const withCode = (message: string, code: string, severity?: string) =>
  Object.assign(new Error(message), { code, ...(severity !== undefined && { severity }) });

test.each([
  ["P1000", withCode("password authentication failed", "28P01", "FATAL")],
  ["P1001", withCode("connect ECONNREFUSED 10.0.0.1:5433", "ECONNREFUSED")],
  ["P1001", new AggregateError([withCode("connect ECONNREFUSED ::1:5433", "ECONNREFUSED")])],
  ["P1001", withCode("the database system is starting up", "57P03", "FATAL")],
  ["P1001", new Error("timeout expired")],
  ["P1001", "no error at all"],
  ["P1003", withCode('database "gateway" does not exist', "3D000", "FATAL")],
  ["P1008", new Error("Query read timeout")],
  ["P1017", new Error("Connection terminated unexpectedly")],
  ["P1017", withCode("read ECONNRESET", "ECONNRESET")],
  ["P1017", withCode("terminating connection due to administrator command", "57P01", "FATAL")],
  ["P2024", new Error("timeout exceeded when trying to connect")],
  ["P2037", withCode("sorry, too many clients already", "53300", "FATAL")],
])("reports %s for %o", (code, error) => {
  const described = describeConnectionError(error, target);
  expect(described.error_code).toBe(code);
  expect(described.is_panic).toBe(false);
  expect(JSON.stringify(described)).not.toContain("hunter2");
});

test("uses the words by which LiteLLM tells an outage from a full pool", () => {
  const refused = describeConnectionError(withCode("refused", "ECONNREFUSED"), target);
  expect(refused.message).toContain("Can't reach database server at `db`:`5433`");
  const full = describeConnectionError(
    withCode("sorry, too many clients already", "53300"),
    target,
  );
  expect(full.message).toContain("too many clients already");
  const waited = describeConnectionError(
    new Error("timeout exceeded when trying to connect"),
    target,
  );
  expect(waited.meta).toEqual({ connection_limit: 3, timeout: 10 });
});

test("tells refused statements from lost connections", () => {
  expect(isStatementError(withCode("duplicate key", "23505", "ERROR"))).toBe(true);
  expect(isStatementError(withCode("shutting down", "57P01", "FATAL"))).toBe(false);
  expect(isStatementError(withCode("refused", "ECONNREFUSED"))).toBe(false);
  expect(isStatementError("text")).toBe(false);
});

test("puts the driver's error in place of the engine's", () => {
  const thrown = new Map<number, unknown>([[7, new Error("Connection terminated unexpectedly")]]);
  const translator = new ErrorTranslator((id) => thrown.get(id), target);
  const engineError = {
    is_panic: false,
    message: "Error in external connector (id 7)",
    meta: { id: 7 },
    error_code: "P2036",
  };
  expect(
    translator.translateQueryError({ error: engineError.message, user_facing_error: engineError }),
  ).toEqual({
    error: "Server has closed the connection.",
    user_facing_error: {
      is_panic: false,
      message: "Server has closed the connection.",
      meta: {},
      error_code: "P1017",
    },
  });
});

test("keeps the engine's own errors, and gives every one a meta object", () => {
  const translator = new ErrorTranslator(() => undefined, target);
  const unique = {
    is_panic: false,
    message: "Unique",
    meta: { target: ["id"] },
    error_code: "P2002",
  };
  const reported = { error: "Unique", user_facing_error: unique };
  expect(translator.translateQueryError(reported)).toBe(reported);
  const bare = { is_panic: false, message: "Unknown", error_code: "P2010" };
  expect(translator.translate(bare)).toEqual({ ...bare, meta: {} });
});
