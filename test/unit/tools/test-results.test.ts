import { describe, expect, test } from "vitest";

import { countResults } from "../../../tools/test-results.ts";

interface File {
  readonly status: string;
  readonly assertionResults: readonly { readonly status: string }[];
}

const report = (
  numbers: { passed?: number; failed?: number; pending?: number; todo?: number },
  testResults: readonly File[] = [],
): string => {
  const { passed = 0, failed = 0, pending = 0, todo = 0 } = numbers;
  return JSON.stringify({
    numPassedTests: passed,
    numFailedTests: failed,
    numPendingTests: pending,
    numTodoTests: todo,
    testResults,
  });
};

describe("a run of tests counts", () => {
  test("what passed, failed and was left out", () => {
    const text = report({ passed: 5, failed: 2, pending: 1, todo: 3 });
    expect(countResults(text, 1)).toEqual({ passed: 5, failed: 2, skipped: 4 });
  });

  test("a file that breaks before its first test as one failure", () => {
    const files = [
      { status: "failed", assertionResults: [] },
      { status: "failed", assertionResults: [{ status: "passed" }, { status: "skipped" }] },
      { status: "failed", assertionResults: [{ status: "failed" }] },
      { status: "passed", assertionResults: [{ status: "passed" }] },
    ];
    const text = report({ passed: 2, failed: 1, pending: 1 }, files);
    expect(countResults(text, 1)).toEqual({ passed: 2, failed: 3, skipped: 1 });
  });

  test("an end without a report, and one that no test explains, as one failure", () => {
    expect(countResults(undefined, 137)).toEqual({ passed: 0, failed: 1, skipped: 0 });
    expect(countResults(undefined, 0)).toEqual({ passed: 0, failed: 1, skipped: 0 });
    expect(countResults(report({ passed: 3 }), 1)).toEqual({ passed: 3, failed: 1, skipped: 0 });
    expect(countResults(report({ passed: 3 }), 0)).toEqual({ passed: 3, failed: 0, skipped: 0 });
  });
});
