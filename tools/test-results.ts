/** How many tests ended in which way. */
export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Of vitest's JSON report, as far as it is read here. */
interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

/**
 * Counts the tests of one run of vitest.
 *
 * @param text its JSON report; undefined where it left none, which counts as one failure
 * @param status its exit code: one that tells of more than failed tests counts as one failure
 */
export function countResults(text: string | undefined, status: number): TestCounts {
  if (text === undefined) {
    return { passed: 0, failed: 1, skipped: 0 };
  }
  const report = JSON.parse(text) as Report;
  // A file that breaks before its first test counts as one failure.
  const brokenFiles = report.testResults.filter(
    (file) =>
      file.status === "failed" && file.assertionResults.every((test) => test.status !== "failed"),
  ).length;
  const failed = report.numFailedTests + brokenFiles;
  return {
    passed: report.numPassedTests,
    failed: failed === 0 && status !== 0 ? 1 : failed,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}
