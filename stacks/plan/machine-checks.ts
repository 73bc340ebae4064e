/**
 * What is verified, beside what any gateway must do, where the gateway is a service of a machine: on the
 * machines by SSH, in their database, and by requests with the keys that are in no database of LiteLLM's.
 */
import type { OperationsPlan } from "./operations.ts";

export type MachineRole = "gateway" | "database";

export type MachineCheck =
  /** A unit of systemd is active and starts with the machine. */
  | { readonly kind: "unit"; readonly machine: MachineRole; readonly unit: string }
  /** Somebody listens on a TCP port of the machine. */
  | { readonly kind: "listening"; readonly machine: MachineRole; readonly port: number }
  /** `systemd-analyze security` gives the service at most so many points of 10. */
  | { readonly kind: "hardening"; readonly unit: string; readonly limit: number }
  /** Nobody on the machine can read what is secret, or change what is not his. */
  | { readonly kind: "file-modes"; readonly machine: MachineRole }
  /** The server has the planned version and settings, and lets nobody from elsewhere in without TLS. */
  | { readonly kind: "database-server" }
  /** The database and its role are there, and the role may do what the proxy needs and no more. */
  | { readonly kind: "database-role" }
  /** The gateway's machine reaches the server, and the proxy's connections have TLS. */
  | { readonly kind: "database-link" }
  | { readonly kind: "prisma-schema" }
  | { readonly kind: "request-log-schema" }
  /** Metrics are given for the master key, and for no key only where they are `open`. */
  | { readonly kind: "metrics"; readonly isOpen: boolean }
  /** A static key is accepted, or refused once it has expired. */
  | {
      readonly kind: "static-key";
      readonly alias: string;
      /** That it may ask and that costs nothing; undefined: only the list of models is asked for. */
      readonly model: string | undefined;
      readonly expires: string | undefined;
    }
  /** A static key is refused a model that is not among its own. */
  | {
      readonly kind: "static-key-restricted";
      readonly alias: string;
      readonly model: string;
      readonly expires: string | undefined;
    }
  /** Each request is one row of the request log, whatever came of it. */
  | {
      readonly kind: "request-log";
      /** Costs nothing; undefined: only requests that are refused are sent. */
      readonly model: string | undefined;
      readonly keys: readonly RequestLogKey[];
    }
  /** So many requests, so many at a time, all succeed and are all stored. */
  | {
      readonly kind: "load";
      readonly model: string;
      readonly requests: number;
      readonly concurrency: number;
      /** Where each is a row. */
      readonly storedIn: "request-log" | "spend-log" | undefined;
      /** Until all rows are there. */
      readonly deadlineSeconds: number;
    }
  /** What PostgreSQL counts, and the connections it has. */
  | { readonly kind: "database-activity" };

/** A static key that the check of the request log uses. */
interface RequestLogKey {
  readonly alias: string;
  /** Whether it may ask the check's model. */
  readonly mayAsk: boolean;
  /** Whether it is refused a model that there is not by 403, for it is restricted. */
  readonly isRestricted: boolean;
}

/** What the checks follow from, beside the plan for operations. */
export interface CheckedMachines {
  /** Every model name that the proxy offers. */
  readonly models: readonly string[];
  /** A chat model of provider `mock`. */
  readonly chatModel: string | undefined;
  /** Default: LiteLLM's own 10. */
  readonly spendLogSeconds: number | undefined;
  /** Whether LiteLLM counts for Prometheus, and whether it tells everybody. */
  readonly metrics: "none" | "with-key" | "open";
  readonly staticKeys: readonly {
    readonly alias: string;
    /** Empty: all. */
    readonly models: readonly string[];
    readonly expires?: string | undefined;
  }[];
}

const EXPOSURE_LIMIT = 2;
const LOAD = { requests: 40, concurrency: 8 };
/** The log is written every quarter of a second. */
const REQUEST_LOG_SECONDS = 15;
/** Batches of the spend log are written some seconds later than they should be. */
const SPEND_LOG_MARGIN_SECONDS = 50;

export function planMachineChecks(
  operations: OperationsPlan,
  deployment: CheckedMachines,
): MachineCheck[] {
  const { gateway, database, engine, hasRequestLog } = operations;
  const { chatModel, metrics, spendLogSeconds = 10 } = deployment;
  const keepsSpend = database !== undefined && (engine === "prisma" || engine === "both");
  return [
    ...[gateway.unit, gateway.socket, ...gateway.timers].map(
      (unit) => ({ kind: "unit", machine: "gateway", unit }) as const,
    ),
    { kind: "listening", machine: "gateway", port: gateway.port },
    { kind: "hardening", unit: gateway.unit, limit: EXPOSURE_LIMIT },
    { kind: "file-modes", machine: "gateway" },
    ...(database === undefined
      ? []
      : ([
          { kind: "unit", machine: "database", unit: database.unit },
          { kind: "listening", machine: "database", port: database.port },
          { kind: "file-modes", machine: "database" },
          { kind: "database-server" },
          { kind: "database-role" },
          { kind: "database-link" },
        ] as const)),
    ...(keepsSpend ? ([{ kind: "prisma-schema" }] as const) : []),
    ...(hasRequestLog ? ([{ kind: "request-log-schema" }] as const) : []),
    ...(metrics === "none" ? [] : ([{ kind: "metrics", isOpen: metrics === "open" }] as const)),
    ...(hasRequestLog ? planKeyChecks(deployment) : []),
    ...(chatModel === undefined
      ? []
      : ([
          {
            kind: "load",
            model: chatModel,
            ...LOAD,
            storedIn: hasRequestLog ? "request-log" : keepsSpend ? "spend-log" : undefined,
            deadlineSeconds: hasRequestLog
              ? REQUEST_LOG_SECONDS
              : spendLogSeconds + SPEND_LOG_MARGIN_SECONDS,
          },
        ] as const)),
    ...(database === undefined ? [] : ([{ kind: "database-activity" }] as const)),
  ];
}

function planKeyChecks({ chatModel, models, staticKeys }: CheckedMachines): MachineCheck[] {
  const keys = staticKeys.map(({ alias, models: own, expires }) => {
    const isRestricted = own.length > 0;
    return {
      alias,
      expires,
      isRestricted,
      mayAsk: chatModel !== undefined && (!isRestricted || own.includes(chatModel)),
      // A pattern or the name of a group may mean any model.
      isRefused:
        isRestricted &&
        chatModel !== undefined &&
        own.every((name) => models.includes(name) && name !== chatModel && !name.includes("*")),
    };
  });
  return [
    ...keys.map(({ alias, expires, mayAsk }) => {
      const model = mayAsk ? chatModel : undefined;
      return { kind: "static-key", alias, model, expires } as const;
    }),
    ...keys.flatMap(({ alias, expires, isRefused }) =>
      isRefused && chatModel !== undefined
        ? [{ kind: "static-key-restricted", alias, model: chatModel, expires } as const]
        : [],
    ),
    {
      kind: "request-log",
      model: chatModel,
      keys: keys
        .filter(({ expires, mayAsk, isRestricted }) => {
          // Which status a key that ends has depends on the day.
          return expires === undefined && (mayAsk || isRestricted);
        })
        .map(({ alias, mayAsk, isRestricted }) => ({ alias, mayAsk, isRestricted })),
    },
  ];
}
