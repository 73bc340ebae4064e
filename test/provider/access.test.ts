import { afterAll, beforeAll } from "vitest";

import { type LitellmServer, startLitellm } from "../support/litellm-server.ts";
import { describeBudgets } from "./access/budgets.ts";
import { describeCredentials } from "./access/credentials.ts";
import { describeExport } from "./access/export.ts";
import { describeFaults } from "./access/faults.ts";
import { describeKeyLimits } from "./access/key-limits.ts";
import { describeKeyRotation } from "./access/key-rotation.ts";
import { describeKeys } from "./access/keys.ts";
import { describeMembers } from "./access/members.ts";
import { describeModels } from "./access/models.ts";
import { describeOutages } from "./access/outages.ts";
import { describeProperty } from "./access/property.ts";
import { describeTeams } from "./access/teams.ts";
import { describeUnmanaged } from "./access/unmanaged.ts";
import { describeUsers } from "./access/users.ts";

/** One for all: it takes longer to start than most of them. */
let server: LitellmServer;

beforeAll(async () => {
  server = await startLitellm();
});

afterAll(async () => {
  await server.remove();
});

for (const describeSuite of [
  describeBudgets,
  describeTeams,
  describeUsers,
  describeMembers,
  describeKeys,
  describeKeyRotation,
  describeKeyLimits,
  describeCredentials,
  describeModels,
  describeUnmanaged,
  describeExport,
  describeFaults,
  describeProperty,
  // It does not come back as it was: what is in memory is gone.
  describeOutages,
]) {
  describeSuite(() => server);
}
