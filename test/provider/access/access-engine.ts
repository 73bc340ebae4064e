import { budget } from "../../../components/provider/access/budget.ts";
import { teamMember } from "../../../components/provider/access/team-member.ts";
import { team } from "../../../components/provider/access/team.ts";
import { user } from "../../../components/provider/access/user.ts";
import { virtualKey } from "../../../components/provider/access/virtual-key.ts";
import type {
  OperationContext,
  Properties,
  ResourceDefinition,
} from "../../../components/provider/resource.ts";
import { planChanges } from "../../../components/provider/server/diff.ts";
import type { AccessPlan } from "../../../stacks/plan/access-plan.ts";
import type { LitellmServer } from "../../support/litellm-server.ts";
import { openContext } from "./life-cycle.ts";

interface Wanted {
  readonly name: string;
  readonly definition: ResourceDefinition;
  readonly args: object;
}

interface Made {
  readonly id: string;
  readonly inputs: Properties;
  readonly outputs: Properties;
}

/** What must be there before what refers to it, kind by kind. */
const LEVELS = [
  [budget, user, team],
  [teamMember],
  [virtualKey],
] as unknown as readonly (readonly ResourceDefinition[])[];

/** Does with the definitions what Pulumi does with the plugin. Its state is in memory. */
export class AccessEngine {
  readonly #server: LitellmServer;
  readonly #state = new Map<string, Wanted & Made>();

  constructor(server: LitellmServer) {
    this.#server = server;
  }

  /** State of a resource: inputs and outputs. */
  read(name: string): Properties {
    const made = this.#state.get(name);
    if (made === undefined) throw new Error(`there is no resource "${name}"`);
    return { ...made.inputs, ...made.outputs };
  }

  /**
   * Makes and changes what is wanted, and then deletes what is not; without a plan nothing is wanted.
   *
   * @returns names of the resources that were made, changed or deleted
   */
  async up(plan: AccessPlan | undefined): Promise<string[]> {
    const wanted = plan === undefined ? [] : listResources(plan);
    // Each command of Pulumi is a process of its own, which has not looked at anything yet.
    const configuration = openContext(this.#server).context;
    const open = ({ name, definition: { token } }: Wanted): OperationContext => ({
      ...configuration,
      urn: `urn:pulumi:test::gateway::${token}::${name}`,
    });
    const done: string[] = [];
    const names = new Set(wanted.map(({ name }) => name));
    for (const level of LEVELS) {
      await Promise.all(
        wanted
          .filter(({ definition }) => level.includes(definition))
          .map(async (resource) => {
            if (await this.#bring(open(resource), resource)) done.push(resource.name);
          }),
      );
    }
    for (const level of LEVELS.toReversed()) {
      await Promise.all(
        [...this.#state.values()]
          .filter(({ name, definition }) => level.includes(definition) && !names.has(name))
          .map(async (resource) => {
            const { name, definition, id, inputs } = resource;
            const outputs = this.read(name);
            await definition.delete(open(resource), id, { inputs, outputs });
            this.#state.delete(name);
            done.push(name);
          }),
      );
    }
    return done.sort();
  }

  /** @returns whether it had to be made or changed */
  async #bring(context: OperationContext, resource: Wanted): Promise<boolean> {
    const { name, definition, args } = resource;
    const inputs = definition.inputs.parse(args);
    const made = this.#state.get(name);
    if (made === undefined) {
      const { id, outputs } = await definition.create(context, inputs);
      this.#state.set(name, { ...resource, id, inputs, outputs });
      return true;
    }
    const { id, inputs: previousInputs } = made;
    const outputs = this.read(name);
    const observed = await definition.read(context, id, { inputs: previousInputs, outputs });
    const recorded = { inputs: previousInputs, outputs };
    const changes = planChanges(definition, { recorded, observed, inputs }, []);
    if (changes.length === 0) return false;
    if (definition.update === undefined || changes.some(({ replaces }) => replaces)) {
      throw new Error(`"${name}" would have to be replaced: ${JSON.stringify(changes)}`);
    }
    const updated = await definition.update(context, id, { inputs, previousInputs, outputs });
    this.#state.set(name, { ...resource, id, inputs, outputs: updated });
    return true;
  }
}

function listResources({ budgets, users, teams, members, keys }: AccessPlan): Wanted[] {
  const list = (
    kind: string,
    definition: unknown,
    entries: readonly { name: string; args: object }[],
  ) =>
    entries.map(({ name, args }) => ({
      name: `${kind}-${name}`,
      definition: definition as ResourceDefinition,
      args,
    }));
  return [
    ...list("budget", budget, budgets),
    ...list("user", user, users),
    ...list("team", team, teams),
    ...list(
      "member",
      teamMember,
      members.map((member) => ({ ...member, name: `${member.team}/${member.user}` })),
    ),
    ...list("key", virtualKey, keys),
  ];
}
