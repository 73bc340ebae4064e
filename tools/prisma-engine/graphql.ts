/** A 64-bit integer that a JSON number cannot hold, as the engine's JSON protocol writes it. */
export interface TaggedValue {
  readonly $type: string;
  readonly value: string;
}

/** A value given in a query. */
export type QueryValue =
  null | boolean | number | string | TaggedValue | QueryValue[] | { [name: string]: QueryValue };

export type QueryObject = Record<string, QueryValue>;

/** Fields to answer with: `true` for a scalar. */
export type Selection = Record<string, true | NestedSelection>;

export interface NestedSelection {
  arguments: QueryObject;
  selection: Selection;
}

/** The single field of a query or mutation, such as `findUniqueUser`. */
export interface Operation extends NestedSelection {
  field: string;
}

/**
 * Parses the part of GraphQL that prisma-client-py writes: one operation with one,
 * possibly aliased, field; literal arguments, no variables, no fragments.
 *
 * @throws SyntaxError naming the place.
 */
export function parseOperation(text: string): Operation {
  return new Parser(text).readOperation();
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const NUMBER = /-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?/y;
const IGNORED = /[\s,\uFEFF]*/y;

class Parser {
  readonly #text: string;
  #position = 0;

  constructor(text: string) {
    this.#text = text;
  }

  readOperation(): Operation {
    this.#readName("query or mutation");
    this.#expect("{");
    let field = this.#readName("a field");
    if (this.#skip(":")) field = this.#readName("a field");
    const operation = { field, ...this.#readNested() };
    this.#expect("}");
    if (this.#peek() !== "") this.#fail("the end");
    return operation;
  }

  #readNested(): NestedSelection {
    return {
      arguments: this.#skip("(") ? this.#readPairs(")") : {},
      selection: this.#skip("{") ? this.#readSelection() : {},
    };
  }

  #readSelection(): Selection {
    const selection: Selection = {};
    while (!this.#skip("}")) {
      const name = this.#readName("a field or `}`");
      const next = this.#peek();
      selection[name] = next === "(" || next === "{" ? this.#readNested() : true;
    }
    return selection;
  }

  #readPairs(end: ")" | "}"): QueryObject {
    const pairs: QueryObject = {};
    while (!this.#skip(end)) {
      const name = this.#readName(`a name or \`${end}\``);
      this.#expect(":");
      pairs[name] = this.#readValue();
    }
    return pairs;
  }

  #readValue(): QueryValue {
    switch (this.#peek()) {
      case '"':
        return this.#readString();
      case "{":
        this.#position++;
        return this.#readPairs("}");
      case "[": {
        this.#position++;
        const list: QueryValue[] = [];
        while (!this.#skip("]")) list.push(this.#readValue());
        return list;
      }
    }
    const number = this.#match(NUMBER);
    if (number !== undefined) return toNumber(number);
    const name = this.#readName("a value");
    if (name === "true") return true;
    if (name === "false") return false;
    if (name === "null") return null;
    return name;
  }

  #readString(): string {
    const start = this.#position;
    let end = start + 1;
    let code = this.#text.charCodeAt(end);
    while (code !== QUOTE) {
      if (Number.isNaN(code)) this.#fail("the end of the string");
      end += code === BACKSLASH ? 2 : 1;
      code = this.#text.charCodeAt(end);
    }
    this.#position = end + 1;
    try {
      return JSON.parse(this.#text.slice(start, this.#position)) as string;
    } catch {
      this.#position = start;
      return this.#fail("a string");
    }
  }

  #readName(expected: string): string {
    this.#peek();
    return this.#match(NAME) ?? this.#fail(expected);
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#position;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#position += found.length;
    return found;
  }

  #peek(): string {
    IGNORED.lastIndex = this.#position;
    IGNORED.test(this.#text);
    this.#position = IGNORED.lastIndex;
    return this.#text.charAt(this.#position);
  }

  #skip(character: string): boolean {
    if (this.#peek() !== character) return false;
    this.#position++;
    return true;
  }

  #expect(character: string): void {
    if (!this.#skip(character)) this.#fail(`\`${character}\``);
  }

  /** Quotes nothing of the text, which may hold a user's secret. */
  #fail(expected: string): never {
    throw new SyntaxError(`query syntax: expected ${expected} at character ${this.#position}`);
  }
}

function toNumber(text: string): number | TaggedValue {
  const number = Number(text);
  if (Number.isSafeInteger(number) || /[.eE]/.test(text)) return number;
  return { $type: "BigInt", value: text };
}
