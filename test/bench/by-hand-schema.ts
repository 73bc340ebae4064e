/**
 * `prisma generate` and `prisma migrate deploy` for by-hand.sh, with the engine that the product
 * takes: where Prisma's downloads cannot be reached, its own commands do not work. Prints the
 * variables that LiteLLM needs for it, as shell commands.
 */
import { databaseMigration } from "../../components/provider/litellm/database-migration.ts";
import { prismaClient } from "../../components/provider/litellm/prisma-client.ts";
import { operationContext } from "../support/operation-context.ts";

const [, , python = ""] = process.argv;
const { context } = operationContext();
const installed = { python, requirementsSha256: "" };
const { outputs } = await prismaClient.create(context, prismaClient.inputs.parse(installed));
const { engine, environment } = outputs;
await databaseMigration.create(
  context,
  databaseMigration.inputs.parse({
    ...installed,
    databaseUrl: process.env["DATABASE_URL"],
    engine,
    environment,
  }),
);
for (const [name, value] of Object.entries(environment)) {
  console.log(`export ${name}='${value.replaceAll("'", `'\\''`)}'`);
}
