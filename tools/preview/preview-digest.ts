/**
 * What `pulumi preview --json` prints, as far as it is used here. Source: `PreviewDigest` in
 * github.com/pulumi/pulumi/pkg/v3/display/json.go.
 */
export interface PreviewDigest {
  readonly steps?: readonly PreviewStep[];
  readonly diagnostics?: readonly { readonly message: string; readonly severity: string }[];
  /** Number of resources by operation. */
  readonly changeSummary?: Readonly<Record<string, number>>;
}

export interface PreviewStep {
  readonly op: string;
  readonly urn: string;
  readonly oldState?: ResourceState;
  readonly newState?: ResourceState;
  /** Names of the changed properties; all there is when a provider gives no detailed difference. */
  readonly diffReasons?: readonly string[];
  /** By property path. Kinds: add, update, delete, and each with `-replace`. */
  readonly detailedDiff: Readonly<Record<string, { readonly kind: string }>> | null;
}

interface ResourceState {
  readonly type: string;
  readonly inputs?: Readonly<Record<string, unknown>>;
  readonly outputs?: Readonly<Record<string, unknown>>;
  readonly protect?: boolean;
  readonly retainOnDelete?: boolean;
}
