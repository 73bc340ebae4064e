import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

export default defineConfig(
  globalIgnores([".lab/", ".toolchain/", ".stacks/", "node_modules/", "tools/toolchain/"]),
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      // A class field without `declare` would overwrite what Pulumi puts there.
      "no-restricted-syntax": [
        "error",
        {
          selector: "PropertyDefinition[definite=true]",
          message: "declare the field instead: type stripping turns `x!: T` into `x = undefined`",
        },
      ],
    },
  },
  {
    // What is deployed is decided by pure functions over plain data.
    files: ["stacks/**/*.ts", "templates/**/*.ts"],
    ignores: ["stacks/config.ts", "stacks/index.ts", "stacks/outputs.ts"],
    rules: { "no-restricted-imports": ["error", { patterns: ["@pulumi/*"] }] },
  },
);
