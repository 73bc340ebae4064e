import { stringify } from "yaml";

import { parsePath, type PropertyPath } from "../../components/provider/server/property-path.ts";
import { isRecord, UNKNOWN } from "../../components/provider/server/wire.ts";
import { describeLoss } from "./data-loss.ts";
import type { PreviewDigest, PreviewStep } from "./preview-digest.ts";
import { describeTextDifference } from "./text-difference.ts";

/** From best to worst. */
export const OUTCOMES = ["unchanged", "changed", "destructive", "failed"] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** What a preview found out about a stack. No secret is in it. */
export interface StackReport {
  readonly stack: string;
  readonly outcome: Outcome;
  /** Whether the state backend knows the stack. */
  readonly isDeployed: boolean;
  readonly counts: Readonly<Record<Operation | "unchanged", number>>;
  /** Those that destroy something first. */
  readonly changes: readonly ResourceChange[];
  readonly errors: readonly string[];
}

type Operation = "create" | "update" | "replace" | "delete";

export interface ResourceChange {
  readonly operation: Operation;
  readonly name: string;
  readonly type: string;
  readonly urn: string;
  /** What it destroys. */
  readonly loss?: string;
  /** Of an update or a replacement. */
  readonly properties: readonly PropertyChange[];
}

export interface PropertyChange {
  /** In Pulumi's notation: `environment.FOO`. */
  readonly path: string;
  readonly kind: "add" | "update" | "delete";
  /** The resource is replaced because of it. */
  readonly replaces: boolean;
  /** YAML, or the text itself; empty where there was, or will be, nothing. */
  readonly before: string;
  readonly after: string;
  /** Where one of them has several lines: the lines that differ. */
  readonly difference?: string;
}

/** Sorts out what Pulumi says of a preview. */
export function reportPreview(
  stack: string,
  { isDeployed, exitCode }: { readonly isDeployed: boolean; readonly exitCode: number },
  digest: PreviewDigest,
): StackReport {
  const changes = listChanges(digest.steps ?? []);
  const errors = (digest.diagnostics ?? [])
    .filter(({ severity }) => severity === "error")
    .map(({ message }) => message.replace(/^error: /, "").trim())
    .filter((message) => message !== "preview failed");
  const count = (operation: Operation): number =>
    changes.filter((change) => change.operation === operation).length;
  return {
    stack,
    outcome: judge(exitCode, changes, errors),
    isDeployed,
    counts: {
      create: count("create"),
      update: count("update"),
      replace: count("replace"),
      delete: count("delete"),
      unchanged: digest.changeSummary?.["same"] ?? 0,
    },
    changes,
    errors,
  };
}

/** A preview that could not be made. */
export function reportFailure(stack: string, isDeployed: boolean, error: string): StackReport {
  const counts = { create: 0, update: 0, replace: 0, delete: 0, unchanged: 0 };
  return { stack, outcome: "failed", isDeployed, counts, changes: [], errors: [error] };
}

function judge(
  exitCode: number,
  changes: readonly ResourceChange[],
  errors: readonly string[],
): Outcome {
  // That Pulumi refuses to delete what is protected makes the change no less destructive.
  const isRefusal = (error: string): boolean =>
    /because it is protected|currently marked for protection/.test(error);
  if (exitCode !== 0 && !(errors.length > 0 && errors.every(isRefusal))) {
    return "failed";
  }
  if (errors.length > 0 || changes.some(({ loss }) => loss !== undefined)) {
    return "destructive";
  }
  return changes.length > 0 ? "changed" : "unchanged";
}

const OPERATIONS: Readonly<Record<string, Operation>> = {
  create: "create",
  import: "create",
  update: "update",
  delete: "delete",
  replace: "replace",
};

function listChanges(steps: readonly PreviewStep[]): ResourceChange[] {
  const changes = steps.flatMap((step): ResourceChange[] => {
    const operation = OPERATIONS[step.op];
    if (operation === undefined) {
      return [];
    }
    const loss = describeLoss(step);
    return [
      {
        operation,
        name: step.urn.split("::").at(-1) ?? step.urn,
        type: (step.newState ?? step.oldState)?.type ?? "",
        urn: step.urn,
        ...(loss !== undefined && { loss }),
        properties: listPropertyChanges(step),
      },
    ];
  });
  const rank = ({ loss }: ResourceChange): number => (loss === undefined ? 1 : 0);
  return changes.toSorted((a, b) => rank(a) - rank(b));
}

function listPropertyChanges({
  oldState,
  newState,
  detailedDiff,
  diffReasons,
}: PreviewStep): PropertyChange[] {
  if (oldState === undefined || newState === undefined) {
    return [];
  }
  const kinds =
    detailedDiff ??
    Object.fromEntries((diffReasons ?? []).map((name) => [name, { kind: "update" }]));
  return Object.entries(kinds).flatMap(([path, { kind }]): PropertyChange[] => {
    const [before, after] = [oldState, newState].map(({ inputs, outputs }) =>
      format(find(inputs, parsePath(path)) ?? find(outputs, parsePath(path))),
    ) as [string, string];
    // In a set, an element that stays is named as well when another one changes.
    if (before === after && !/\[(secret|unknown)\]/.test(before)) {
      return [];
    }
    return [
      {
        path,
        kind: kind.replace("-replace", "") as PropertyChange["kind"],
        replaces: kind.endsWith("-replace"),
        before,
        after,
        ...([before, after].some((text) => text.includes("\n")) && {
          difference: describeTextDifference(before, after) || "(only secrets in it differ)",
        }),
      },
    ];
  });
}

function find(value: unknown, [segment, ...rest]: PropertyPath): unknown {
  if (segment === undefined) {
    return value;
  }
  if (Array.isArray(value)) {
    return find(value[Number(segment)], rest);
  }
  return isRecord(value) ? find(value[segment], rest) : undefined;
}

function format(value: unknown): string {
  if (value === undefined) {
    return "";
  }
  const text = typeof value === "string" ? value : formatYaml(value);
  return text.replaceAll(UNKNOWN, "[unknown]");
}

/** YAML, because a text with several lines stays one in it. */
function formatYaml(value: unknown): string {
  // A note of Pulumi's bridge to Terraform providers to itself.
  const withoutNotes = (key: unknown, part: unknown) => (key === "__defaults" ? undefined : part);
  return stringify(value, withoutNotes, { lineWidth: 0, blockQuote: "literal" }).trimEnd();
}
