import { expect, test } from "vitest";

import { renderMarkdown } from "../../tools/preview/markdown.ts";
import type { ResourceChange, StackReport } from "../../tools/preview/stack-report.ts";

const counts = { create: 0, update: 0, replace: 0, delete: 0, unchanged: 3 };
const unchanged: StackReport = {
  stack: "dev",
  outcome: "unchanged",
  isDeployed: true,
  counts,
  changes: [],
  errors: [],
};
const update: ResourceChange = {
  operation: "update",
  name: "config",
  type: "litellm:host:File",
  urn: "urn",
  properties: [
    {
      path: "content",
      kind: "update",
      replaces: false,
      before: "a\n",
      after: "b\n",
      difference: "@@ -1 +1 @@\n-a\n+b",
    },
    { path: "mode", kind: "update", replaces: true, before: "0644", after: "[unknown]" },
    { path: "environment.A", kind: "delete", replaces: false, before: "[secret]", after: "" },
  ],
};
const changed: StackReport = {
  ...unchanged,
  stack: "staging",
  outcome: "changed",
  isDeployed: false,
  counts: { ...counts, update: 1 },
  changes: [update],
};
const destructive: StackReport = {
  ...unchanged,
  stack: "prod",
  outcome: "destructive",
  counts: { ...counts, delete: 1 },
  changes: [
    {
      operation: "delete",
      name: "data",
      type: "docker:index/volume:Volume",
      urn: "urn",
      loss: "what is stored in the volume",
      properties: [],
    },
  ],
  errors: ["it is protected"],
};

test("is a comment for a pull request, the worst first", () => {
  expect(renderMarkdown([unchanged, changed, destructive])).toBe(`<!-- litellm-gateway preview -->

## Preview: ⚠️ destructive changes

| stack | result | create | update | replace | delete | unchanged |
| --- | --- | --: | --: | --: | --: | --: |
| \`prod\` | ⚠️ destructive changes | 0 | 0 | 0 | 1 | 3 |
| \`staging\` | 🔵 changes (not deployed yet) | 0 | 1 | 0 | 0 | 3 |
| \`dev\` | ✅ no change | 0 | 0 | 0 | 0 | 3 |

### ⚠️ \`prod\` would lose

- **delete** \`data\` (\`docker:index/volume:Volume\`): what is stored in the volume

### ❌ \`prod\`

\`\`\`text
it is protected
\`\`\`

### \`prod\`

- **delete** \`data\` (\`docker:index/volume:Volume\`)

### \`staging\`

- **update** \`config\` (\`litellm:host:File\`)
  - \`content\`

    \`\`\`diff
    @@ -1 +1 @@
    -a
    +b
    \`\`\`
  - \`mode\` (replaces it): \`0644\` → \`[unknown]\`
  - \`environment.A\`: delete \`[secret]\`

Compared with the recorded state alone: what runs was not looked at, so changes made by hand do not show. \`[unknown]\` is known after \`up\` only, \`[secret]\` is never shown.
`);
});

test("fits into a comment of GitHub, and says what is left out", () => {
  const large = { ...changed, changes: Array.from({ length: 5000 }, () => update) };
  const huge = { ...destructive, errors: ["x".repeat(1e6)] };
  const text = renderMarkdown([large, huge, unchanged]);
  expect(text.length).toBeGreaterThan(50_000);
  expect(text.length).toBeLessThan(65_536);
  expect(text).toContain("### ⚠️ `prod` would lose");
  expect(text).toContain("| `dev` | ✅ no change");
  expect(text).toMatch(/… and \d{4} more that do not fit in here: see the files in/);
  expect(text).toContain("what runs was not looked at");
});

test("mentions nobody, and lets no text out of its place", () => {
  const nasty = "```\n@everyone <img src=x> [link](https://example.org) `` ` ``";
  const text = renderMarkdown([
    {
      ...destructive,
      errors: [nasty],
      changes: [
        {
          ...update,
          properties: [
            { path: nasty, kind: "add", replaces: false, before: "", after: nasty },
            {
              path: "p",
              kind: "update",
              replaces: false,
              before: "",
              after: "",
              difference: nasty,
            },
          ],
        },
      ],
    },
  ]);
  // CommonMark: a code span or block ends with as many backticks as it began with.
  const outside = text
    .replaceAll(/^ *(`{3,})\w*\n[^]*?\n *\1$/gm, "")
    .replaceAll(/(?<!`)(`+)(?!`)[^]*?(?<!`)\1(?!`)/g, "");
  expect(text).toContain("@everyone");
  expect(outside).not.toMatch(/@everyone|<img|link/);
});
