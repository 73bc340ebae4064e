/** A field of a model, as far as converting values needs to know it. */
export interface Field {
  /** Type as written: `Json`, `BigInt`, another model … */
  readonly type: string;
  readonly isRelation: boolean;
}

export type Model = ReadonlyMap<string, Field>;
export type Schema = ReadonlyMap<string, Model>;

const MODEL = /^[ \t]*model[ \t]+(\w+)[ \t]*\{([^}]*)\}/gm;
const FIELD = /^[ \t]*(\w+)[ \t]+(\w+)/;

/** Reads models and their fields off a Prisma schema, which Prisma's own tools have validated. */
export function parseSchema(text: string): Schema {
  const withoutComments = text.replaceAll(/("(?:\\.|[^"\\\n])*")|\/\/.*$/gm, "$1");
  // Braces occur in a model only inside default values, such as `@default("{}")`.
  const withoutStrings = withoutComments.replaceAll(/"(?:\\.|[^"\\\n])*"/g, '""');
  const bodies = [...withoutStrings.matchAll(MODEL)].map(
    ([, name = "", body = ""]) => [name, body] as const,
  );
  const names = new Set(bodies.map(([name]) => name));
  return new Map(bodies.map(([name, body]) => [name, parseFields(body, names)]));
}

function parseFields(body: string, models: ReadonlySet<string>): Model {
  const fields = new Map<string, Field>();
  for (const line of body.split("\n")) {
    const [, name, type] = FIELD.exec(line) ?? [];
    if (name !== undefined && type !== undefined) {
      fields.set(name, { type, isRelation: models.has(type) });
    }
  }
  return fields;
}

/** URL of the schema's datasource: written out, or named as an environment variable. */
export function findDatasourceUrl(
  text: string,
  environment: NodeJS.ProcessEnv,
): string | undefined {
  const [, variable, url] =
    /\bdatasource\s+\w+\s*\{[^}]*?\burl\s*=\s*(?:env\(\s*"([^"]+)"\s*\)|"([^"]+)")/.exec(text) ??
    [];
  return variable === undefined ? url : environment[variable];
}
