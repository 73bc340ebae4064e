import { expect, test } from "vitest";

import { findDatasourceUrl, parseSchema } from "../../../tools/prisma-engine/schema.ts";

const SCHEMA = `
datasource client {
  provider = "postgresql"
  url      = env("DATABASE_URL")
}

// model Ghost { id String }
model User {
  id       String  @id @default(uuid()) // the user's "id" { or so }
  metadata Json    @default("{}")
  tags     String[]
  posts    Post[]  @relation("author")

  @@index([id])
}

model Post {
  note   Json?
  author User? @relation("author", fields: [authorId], references: [id])
}

enum Role {
  ADMIN
}
`;

test("reads models, types and relations", () => {
  const schema = parseSchema(SCHEMA);
  expect([...schema.keys()]).toEqual(["User", "Post"]);
  expect(Object.fromEntries(schema.get("User") ?? [])).toEqual({
    id: { type: "String", isRelation: false },
    metadata: { type: "Json", isRelation: false },
    tags: { type: "String", isRelation: false },
    posts: { type: "Post", isRelation: true },
  });
  expect(schema.get("Post")?.get("author")).toEqual({ type: "User", isRelation: true });
});

test("finds the datasource's URL in the environment or in the schema", () => {
  expect(findDatasourceUrl(SCHEMA, { DATABASE_URL: "postgresql://h/d" })).toBe("postgresql://h/d");
  expect(findDatasourceUrl(SCHEMA, {})).toBeUndefined();
  const literal = SCHEMA.replace('env("DATABASE_URL")', '"postgresql://l/d"');
  expect(findDatasourceUrl(literal, {})).toBe("postgresql://l/d");
});
