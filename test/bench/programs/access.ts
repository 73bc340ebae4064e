/** Keys in teams, as many as the configuration says; of some the budget is another one. */
import * as pulumi from "@pulumi/pulumi";

import { Provider, Team, VirtualKey } from "../../../components/access-resources.ts";

const config = new pulumi.Config();
const size = config.requireObject<{ prefix: string; teams: number; keys: number }>("size");
const changed = config.requireNumber("changed");

const provider = new Provider("gateway", {
  url: config.require("url"),
  masterKey: config.requireSecret("masterKey"),
});
const teams = Array.from({ length: size.teams }, (_, index) => {
  const name = `${size.prefix}-team-${index}`;
  return new Team(name, { teamId: name, alias: name, maxBudget: 1000 }, { provider });
});
for (let index = 0; index < size.keys; index++) {
  const name = `${size.prefix}-key-${index}`;
  const teamId = teams[index % teams.length]?.teamId ?? "";
  const maxBudget = index < changed ? 20 : 10;
  new VirtualKey(
    name,
    { alias: name, teamId, maxBudget, budgetDuration: "30d", rpmLimit: 100, metadata: { index } },
    { provider },
  );
}
