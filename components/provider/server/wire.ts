import type { Struct, Value } from "google-protobuf/google/protobuf/struct_pb.js";

import { Struct as StructMessage } from "./protobuf.ts";
import type { Properties } from "../resource.ts";

/** Stands for a value that only the real deployment will know. Source: pulumi/sdk, runtime/rpc. */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

const SIGNATURE_KEY = "4dabf18193072939515e22adb298388d";
const SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270";

interface Secret {
  readonly [SIGNATURE_KEY]: typeof SECRET_SIGNATURE;
  readonly value: unknown;
}

export function isRecord(value: unknown): value is Properties {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Marks a value so that the engine encrypts it in state and hides it on screen. */
export function markSecret(value: unknown): Secret {
  return { [SIGNATURE_KEY]: SECRET_SIGNATURE, value: reveal(value) };
}

export function isSecret(value: unknown): value is Secret {
  return isRecord(value) && value[SIGNATURE_KEY] === SECRET_SIGNATURE;
}

/** Properties as they came, secrets still marked. */
export function decode(message: Struct | undefined): Properties {
  return message === undefined ? {} : message.toJavaScript();
}

export function encode(properties: Properties): Struct {
  return StructMessage.fromJavaScript(
    dropUndefined(properties) as Record<string, Parameters<typeof Value.fromJavaScript>[0]>,
  );
}

function dropUndefined(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map((element) => dropUndefined(element) ?? null);
  }
  return isRecord(value)
    ? Object.fromEntries(
        Object.entries(value)
          .filter(([, element]) => element !== undefined)
          .map(([key, element]) => [key, dropUndefined(element)]),
      )
    : value;
}

/** The same value with every secret in clear. */
export function reveal<T>(value: T): T;
export function reveal(value: unknown): unknown {
  if (isSecret(value)) {
    return reveal(value.value);
  }
  if (Array.isArray(value)) {
    return value.map((element: unknown) => reveal(element));
  }
  return isRecord(value)
    ? Object.fromEntries(Object.entries(value).map(([key, element]) => [key, reveal(element)]))
    : value;
}

/**
 * Marks secret in `value` whatever is secret at the same place of `pattern`. A
 * list that holds a secret is secret as a whole: its elements may have moved.
 */
export function conceal(value: Properties, pattern: unknown): Properties {
  return concealAny(value, pattern) as Properties;
}

function concealAny(value: unknown, pattern: unknown): unknown {
  if (value === undefined || isSecret(value)) {
    return value;
  }
  if (isRecord(value) && isRecord(pattern) && !isSecret(pattern)) {
    return Object.fromEntries(
      Object.entries(value).map(([key, element]) => [key, concealAny(element, pattern[key])]),
    );
  }
  return containsSecret(pattern) ? markSecret(value) : value;
}

const containsSecret = (value: unknown): boolean => contains(value, isSecret);

export const containsUnknown = (value: unknown): boolean =>
  contains(value, (element) => element === UNKNOWN);

function contains(value: unknown, test: (value: unknown) => boolean): boolean {
  return (
    test(value) ||
    (typeof value === "object" &&
      value !== null &&
      Object.values(value).some((element) => contains(element, test)))
  );
}

/** Every secret in properties that came over the wire. */
export function* listSecrets(value: unknown): Generator {
  if (isSecret(value)) {
    yield value.value;
  } else if (typeof value === "object" && value !== null) {
    for (const element of Object.values(value)) {
      yield* listSecrets(element);
    }
  }
}
