import { ColumnTypeEnum as Column, type ColumnType } from "@prisma/driver-adapter-utils";
import { parse } from "postgres-array";

/** How the engine wants values of a PostgreSQL type. */
export interface ColumnConversion {
  readonly type: ColumnType;
  readonly parse: (text: string) => unknown;
}

const keep = (text: string) => text;

/** Values of types without a conversion, such as enums, `regclass` or ranges, stay text. */
export function findColumnConversion(oid: number): ColumnConversion {
  return CONVERSIONS.get(oid) ?? TEXT;
}

const TEXT: ColumnConversion = { type: Column.Text, parse: keep };

/** A type, its array type, and how to read one value: [oid, array oid, column, array column, parse]. */
const TYPES: readonly (readonly [
  number,
  number,
  ColumnType,
  ColumnType,
  (text: string) => unknown,
])[] = [
  [16, 1000, Column.Boolean, Column.BooleanArray, (text) => text === "t"], // bool
  [17, 1001, Column.Bytes, Column.BytesArray, toBytes], // bytea
  [18, 1002, Column.Text, Column.TextArray, keep], // char
  [19, 1003, Column.Text, Column.TextArray, keep], // name
  [20, 1016, Column.Int64, Column.Int64Array, keep], // int8
  [21, 1005, Column.Int32, Column.Int32Array, Number], // int2
  [23, 1007, Column.Int32, Column.Int32Array, Number], // int4
  [25, 1009, Column.Text, Column.TextArray, keep], // text
  [26, 1028, Column.Int64, Column.Int64Array, keep], // oid
  [114, 199, Column.Json, Column.JsonArray, keep], // json
  [142, 143, Column.Text, Column.TextArray, keep], // xml
  [650, 651, Column.Text, Column.TextArray, keep], // cidr
  [700, 1021, Column.Float, Column.FloatArray, Number], // float4
  [701, 1022, Column.Double, Column.DoubleArray, Number], // float8
  [790, 791, Column.Numeric, Column.NumericArray, toNumeric], // money
  [869, 1041, Column.Text, Column.TextArray, keep], // inet
  [1042, 1014, Column.Text, Column.TextArray, keep], // bpchar
  [1043, 1015, Column.Text, Column.TextArray, keep], // varchar
  [1082, 1182, Column.Date, Column.DateArray, keep], // date
  [1083, 1183, Column.Time, Column.TimeArray, keep], // time
  [1114, 1115, Column.DateTime, Column.DateTimeArray, keep], // timestamp
  [1184, 1185, Column.DateTime, Column.DateTimeArray, toUtc], // timestamptz
  [1266, 1270, Column.Time, Column.TimeArray, withoutOffset], // timetz
  [1560, 1561, Column.Text, Column.TextArray, keep], // bit
  [1562, 1563, Column.Text, Column.TextArray, keep], // varbit
  [1700, 1231, Column.Numeric, Column.NumericArray, keep], // numeric
  [2950, 2951, Column.Uuid, Column.UuidArray, keep], // uuid
  [3802, 3807, Column.Json, Column.JsonArray, keep], // jsonb
];

const CONVERSIONS = new Map<number, ColumnConversion>([
  ...TYPES.flatMap(([oid, arrayOid, type, arrayType, parseOne]) => [
    [oid, { type, parse: parseOne }] as const,
    [arrayOid, { type: arrayType, parse: (text: string) => parse(text, parseOne) }] as const,
  ]),
  // What a function without a result answers is not a value.
  [2278, { type: Column.Text, parse: () => null }],
]);

function toBytes(text: string): number[] {
  return [...Buffer.from(text.slice("\\x".length), "hex")];
}

function toNumeric(money: string): string {
  return money.replaceAll(/[^-\d.]/g, "");
}

/** The session's time zone is UTC, except behind a pooler that keeps its own. */
function toUtc(text: string): string {
  return text.endsWith("+00")
    ? text.slice(0, -"+00".length)
    : new Date(text).toISOString().replace("T", " ").replace("Z", "");
}

function withoutOffset(text: string): string {
  return text.replace(/[-+]\d\d(:?\d\d)*$/, "");
}
