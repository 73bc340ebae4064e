import type { NestedSelection, Operation, QueryObject, QueryValue } from "./graphql.ts";
import type { Field, Model, Schema } from "./schema.ts";

/** A query in the engine's JSON protocol. */
export interface EngineQuery {
  readonly modelName?: string;
  readonly action: string;
  readonly query: NestedSelection;
}

const OPERATION =
  /^(findUnique|findFirst|findMany|createOne|createMany|updateOne|updateMany|deleteOne|deleteMany|upsertOne|aggregate|groupBy)(\w+?)(OrThrow)?$/;

/**
 * Turns an operation of the GraphQL protocol, which prisma-client-py speaks, into the
 * JSON protocol, the only one of the WASM engine.
 *
 * They differ in what a text means for a `Json` field: JSON *text* in the first, a JSON
 * string in the second. So such values are tagged, which takes the schema.
 *
 * @throws Error for an operation that Prisma does not have.
 */
export function toEngineQuery(schema: Schema, operation: Operation): EngineQuery {
  const { field } = operation;
  if (field === "queryRaw" || field === "executeRaw") {
    const { query = "", parameters = "[]" } = operation.arguments;
    return { action: field, query: { arguments: { query, parameters }, selection: {} } };
  }
  const [, action, modelName, orThrow = ""] = OPERATION.exec(field) ?? [];
  const model = modelName === undefined ? undefined : schema.get(modelName);
  if (action === undefined || modelName === undefined || model === undefined) {
    throw new Error(`unknown operation \`${field}\``);
  }
  const tagger = new JsonTagger(schema);
  tagger.tagNested(model, operation);
  const { arguments: given, selection } = operation;
  return { modelName, action: action + orThrow, query: { arguments: given, selection } };
}

/** Arguments and nested writes whose value is an object of the model's fields. */
const HOLDING_FIELDS = new Set([
  "where",
  "data",
  "create",
  "cursor",
  "connect",
  "disconnect",
  "set",
  "delete",
  "deleteMany",
  "is",
  "isNot",
  "some",
  "every",
  "none",
]);

/** Nested writes whose value has `where`, `data`, `create` or `update` of its own. */
const HOLDING_ARGUMENTS = new Set(["upsert", "connectOrCreate", "createMany", "updateMany"]);

const COMBINATORS = new Set(["AND", "OR", "NOT"]);

/** Filters and updates of a `Json` field that take JSON; the others take plain text. */
const HOLDING_JSON = new Set([
  "equals",
  "not",
  "lt",
  "lte",
  "gt",
  "gte",
  "array_contains",
  "array_starts_with",
  "array_ends_with",
  "set",
  "push",
]);

/** Tags in place: the tree belongs to the parser that made it. */
class JsonTagger {
  readonly #schema: Schema;

  constructor(schema: Schema) {
    this.#schema = schema;
  }

  tagNested(model: Model, nested: NestedSelection): void {
    this.#tagArguments(model, nested.arguments);
    for (const [name, child] of Object.entries(nested.selection)) {
      const related = this.#findRelated(model.get(name));
      if (child !== true && related !== undefined) this.tagNested(related, child);
    }
  }

  #findRelated(field: Field | undefined): Model | undefined {
    return field?.isRelation === true ? this.#schema.get(field.type) : undefined;
  }

  /** Keys are `where`, `data`, `create`, `update` …, or writes and filters of a relation. */
  #tagArguments(model: Model, given: QueryValue): void {
    forEachObject(given, (object) => {
      for (const [name, value] of Object.entries(object)) {
        if (HOLDING_FIELDS.has(name)) this.#tagFields(model, value);
        else if (HOLDING_ARGUMENTS.has(name)) this.#tagArguments(model, value);
        else if (name === "update") this.#tagUpdate(model, value);
      }
    });
  }

  /** `update` holds either fields, or `where` and `data` with fields. */
  #tagUpdate(model: Model, update: QueryValue): void {
    forEachObject(update, (object) => {
      const names = Object.keys(object);
      const isNested = names.every((name) => name === "where" || name === "data");
      if (isNested && names.includes("data") && !model.has("data")) {
        this.#tagArguments(model, object);
      } else {
        this.#tagFields(model, object);
      }
    });
  }

  /** Keys are fields of the model, or AND, OR, NOT. */
  #tagFields(model: Model, given: QueryValue): void {
    forEachObject(given, (object) => {
      for (const [name, value] of Object.entries(object)) {
        const field = model.get(name);
        const related = this.#findRelated(field);
        if (field?.type === "Json") object[name] = tagJson(value);
        else if (related !== undefined) this.#tagRelation(related, value);
        else if (field === undefined && COMBINATORS.has(name)) this.#tagFields(model, value);
      }
    });
  }

  /** A relation is given by writes or filters, or, for short, by the other model's fields. */
  #tagRelation(model: Model, given: QueryValue): void {
    forEachObject(given, (object) => {
      const isOperators = Object.keys(object).some(
        (name) => HOLDING_FIELDS.has(name) || HOLDING_ARGUMENTS.has(name) || name === "update",
      );
      if (isOperators) this.#tagArguments(model, object);
      else this.#tagFields(model, object);
    });
  }
}

function tagJson(value: QueryValue): QueryValue {
  if (typeof value === "string") return { $type: "Json", value };
  if (Array.isArray(value)) return value.map(tagJson);
  if (isPlainObject(value)) {
    for (const [name, nested] of Object.entries(value)) {
      if (HOLDING_JSON.has(name)) value[name] = tagJson(nested);
    }
  }
  return value;
}

function forEachObject(value: QueryValue, visit: (object: QueryObject) => void): void {
  if (Array.isArray(value)) for (const item of value) forEachObject(item, visit);
  else if (isPlainObject(value)) visit(value);
}

function isPlainObject(value: QueryValue): value is QueryObject {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && !("$type" in value)
  );
}

/** Takes the JSON protocol's type tags off a result: the GraphQL protocol has plain values. */
export function untag(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) value[index] = untag(value[index]);
    return value;
  }
  const object = value as Record<string, unknown>;
  if (typeof object.$type === "string" && "value" in object) {
    return object.$type === "Decimal" ? Number(object.value) : object.value;
  }
  for (const name in object) object[name] = untag(object[name]);
  return object;
}

/** Answer to `queryRaw` of the WASM engine. */
interface RawResult {
  readonly columns: readonly string[];
  readonly types: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
}

interface RawValue {
  prisma__type: string;
  prisma__value: unknown;
}

/** Gives a raw result the shape of Prisma before 5.14, which prisma-client-py 0.11 reads. */
export function toRawRows(result: RawResult): Record<string, RawValue>[] {
  return result.rows.map((row) =>
    Object.fromEntries(
      result.columns.map((name, index) => [
        name,
        toRawValue(result.types[index] ?? "unknown", row[index] ?? null),
      ]),
    ),
  );
}

function toRawValue(type: string, value: unknown): RawValue {
  if (value === null) return { prisma__type: "null", prisma__value: null };
  if (Array.isArray(value) && type.endsWith("-array")) {
    const itemType = type.slice(0, -"-array".length);
    const items = value.map((item: unknown) => toRawValue(itemType, item));
    return { prisma__type: "array", prisma__value: items };
  }
  return { prisma__type: type === "unknown" ? "string" : type, prisma__value: value };
}
