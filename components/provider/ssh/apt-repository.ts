import { z } from "zod";

import {
  areListsStale,
  isOffered,
  LOCK_DEADLINE_SECONDS,
  openApt,
  runApt,
  updateLists,
  withApt,
  type Apt,
} from "./apt.ts";
import { connection, formatMachine, formatSsh } from "./connection.ts";
import { Observation, SAY } from "./observation.ts";
import { readFingerprints } from "./openpgp-key.ts";
import { parseOperatingSystem, readOperatingSystem } from "./operating-system.ts";
import type { CheckFailure, OperationContext, ResourceDefinition } from "../resource.ts";
import { openSession, type Session } from "./session.ts";

const inputs = z.strictObject({
  connection,
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]*$/, 'must be such as "pgdg"')
    .meta({ description: "Of the files on the machine, without their endings." }),
  uri: z.url({ protocol: /^https?$/ }).meta({ description: "Where it is, without dists/…" }),
  suite: z.string().min(1).meta({
    description: "Such as {codename}-pgdg: {codename} becomes the machine's, such as trixie.",
  }),
  components: z.array(z.string().regex(/^\S+$/)).min(1).default(["main"]),
  signingKey: z.string().optional().meta({
    description: "The only key that its lists may be signed with: OpenPGP, armored text.",
  }),
  signingKeyUrl: z
    .url({ protocol: /^https$/ })
    .optional()
    .meta({
      description:
        "Instead of the key: where the deployer gets it. With fingerprint, which it must have.",
    }),
  fingerprint: z
    .string()
    .transform((text) => text.replaceAll(/\s/g, "").toUpperCase())
    .pipe(z.string().regex(/^[0-9A-F]{40}$/, "must be 40 hexadecimal digits"))
    .optional()
    .meta({ description: "Of the key, which is refused when it has another." }),
  unlessAvailable: z.string().min(1).optional().meta({
    description: "A package: nothing is added where the machine's own repositories have it.",
  }),
  lockDeadlineSeconds: z.number().positive().default(LOCK_DEADLINE_SECONDS).meta({
    description: "Longest wait for another program that uses apt.",
  }),
});

export type AptRepositoryInputs = z.output<typeof inputs>;

export interface AptRepositoryOutputs {
  /** `distribution` where nothing had to be added, otherwise the repository's name. */
  readonly origin: string;
  /** Whether the files on the machine are as they must be. */
  readonly intact: boolean;
}

const DISTRIBUTION = "distribution";
const KEY_DEADLINE_MILLISECONDS = 30_000;

/**
 * A repository of Debian packages with the one key that may sign it, in a file of its own (deb822)
 * in /etc/apt/sources.list.d. Its lists are read at once; where that fails, it is taken out again.
 */
export const aptRepository = {
  token: "litellm:ssh:AptRepository",
  inputs,
  computedOutputs: ["origin", "intact"],
  volatileOutputs: ["intact"],
  replaceOnChanges: ["name"],
  locatedBy: ["connection"],
  observeBeforeUpdate: true,

  check: (inputs) => [...checkKey(inputs)],

  async create(context, inputs) {
    return { id: inputs.name, outputs: await ensure(context, inputs) };
  },

  async read({ signal }, id, { inputs, outputs }) {
    if (inputs.connection === undefined || inputs.uri === undefined) {
      return undefined; // cannot be imported: nobody knows what is to be in it
    }
    const known = inputs as AptRepositoryInputs;
    const found = await observe(openSession(known.connection, signal), known);
    if (outputs.origin === DISTRIBUTION && !isOurs(found.source, known)) {
      return found.isOffered
        ? { inputs: known, outputs: { origin: DISTRIBUTION, intact: true } }
        : undefined;
    }
    if (found.source === undefined) {
      return undefined;
    }
    return {
      inputs: { ...known, ...parseSource(found.source, known, found.codename) },
      outputs: { origin: id, intact: isIntact(known, found) },
    };
  },

  update: (context, _id, { inputs }) => ensure(context, inputs),

  async delete(context, id, { inputs, outputs }) {
    // Pulumi deletes what was replaced or renamed last, when the same name is in use again.
    if (outputs.origin === DISTRIBUTION || ensured.has(identify(inputs))) {
      return;
    }
    const apt = openApt(context, inputs);
    await withApt(apt, () => remove(apt.session, id, inputs.uri));
  },

  drift: (outputs) => (outputs.intact ? [] : ["intact"]),
} satisfies ResourceDefinition<AptRepositoryInputs, AptRepositoryOutputs>;

/** What this deployment has made. */
const ensured = new Set<string>();

const identify = ({ connection, name }: AptRepositoryInputs): string =>
  `${connection.host} ${name}`;

const sourceOf = (name: string): string => `/etc/apt/sources.list.d/${name}.sources`;
const keyOf = (name: string): string => `/etc/apt/keyrings/${name}.asc`;

function* checkKey(inputs: AptRepositoryInputs): Generator<CheckFailure> {
  const { signingKey, signingKeyUrl, fingerprint } = inputs;
  if ((signingKey === undefined) === (signingKeyUrl === undefined)) {
    yield {
      property: "signingKey",
      reason: "is required, or else signingKeyUrl; not both",
    };
  }
  if (signingKeyUrl !== undefined && fingerprint === undefined) {
    yield { property: "fingerprint", reason: "is required for a key that is fetched" };
  }
  if (signingKey !== undefined && signingKey.includes("-----BEGIN")) {
    try {
      verifyKey(signingKey, fingerprint);
    } catch (error) {
      yield { property: "signingKey", reason: (error as Error).message };
    }
  }
}

/** @throws Error unless it is one key, with the fingerprint where that is given */
function verifyKey(key: string, fingerprint: string | undefined): void {
  const found = readFingerprints(key);
  const other = found.find((each) => each !== fingerprint);
  if (fingerprint !== undefined && other !== undefined) {
    throw new Error(
      `the signing key has the fingerprint ${other} instead of ${fingerprint}; do not use it before its owner has confirmed the new one`,
    );
  }
}

interface Found {
  readonly codename: string;
  /** Undefined when there is none. */
  readonly source: string | undefined;
  readonly key: string | undefined;
  /** Whether a repository that is not this one has the package. */
  readonly isOffered: boolean;
}

async function observe(session: Session, inputs: AptRepositoryInputs): Promise<Found> {
  const output = await session.run(
    `${SAY}
    say system </etc/os-release
    [ ! -f "$1" ] || say source <"$1"
    [ ! -f "$2" ] || say key <"$2"
    [ -z "$3" ] || apt-cache madison "$3" 2>/dev/null | say offers`,
    { arguments: [sourceOf(inputs.name), keyOf(inputs.name), inputs.unlessAvailable ?? ""] },
  );
  const observation = new Observation(output);
  const source = observation.find("source");
  return {
    codename: parseOperatingSystem(observation.word("system")).codename,
    source,
    key: observation.find("key"),
    isOffered: isOffered(
      observation.find("offers") ?? "",
      isOurs(source, inputs) ? inputs.uri : undefined,
    ),
  };
}

/** Not the file of the same name that somebody else has put there. */
function isOurs(source: string | undefined, { name }: AptRepositoryInputs): boolean {
  return source?.includes(`Signed-By: ${keyOf(name)}\n`) === true;
}

function isIntact(inputs: AptRepositoryInputs, { source, key, codename }: Found): boolean {
  if (source !== renderSource(inputs, codename) || key === undefined) {
    return false;
  }
  if (inputs.signingKey !== undefined) {
    return key === inputs.signingKey;
  }
  try {
    verifyKey(key, inputs.fingerprint);
    return true;
  } catch {
    return false;
  }
}

/** The file in apt's format deb822. */
function renderSource(
  {
    name,
    uri,
    suite,
    components,
  }: Pick<AptRepositoryInputs, "name" | "uri" | "suite" | "components">,
  codename: string,
): string {
  return [
    "Types: deb",
    `URIs: ${uri}`,
    `Suites: ${expand(suite, codename)}`,
    `Components: ${components.join(" ")}`,
    `Signed-By: ${keyOf(name)}`,
    "",
  ].join("\n");
}

const expand = (suite: string, codename: string): string =>
  suite.replaceAll("{codename}", codename);

/** What the file says of the inputs; a suite stays as it is written where it means the same. */
function parseSource(
  source: string,
  { uri, suite, components }: AptRepositoryInputs,
  codename: string,
): Pick<AptRepositoryInputs, "uri" | "suite" | "components"> {
  const value = (field: string) =>
    new RegExp(`^${field}:[ \\t]*(.*)$`, "im").exec(source)?.[1]?.trim();
  const foundSuite = value("Suites") ?? suite;
  return {
    uri: value("URIs") ?? uri,
    suite: foundSuite === expand(suite, codename) ? suite : foundSuite,
    components: value("Components")?.split(/\s+/) ?? components,
  };
}

async function ensure(
  context: OperationContext,
  inputs: AptRepositoryInputs,
): Promise<AptRepositoryOutputs> {
  const apt = openApt(context, inputs);
  const { codename } = await readOperatingSystem(apt.session);
  return withApt(apt, async () => {
    ensured.add(identify(inputs));
    if (await isProvidedAlready(apt, inputs)) {
      if (isOurs((await observe(apt.session, inputs)).source, inputs)) {
        await remove(apt.session, inputs.name, inputs.uri);
      }
      return { origin: DISTRIBUTION, intact: true };
    }
    await add(apt, inputs, codename);
    return { origin: inputs.name, intact: true };
  });
}

async function isProvidedAlready(apt: Apt, inputs: AptRepositoryInputs): Promise<boolean> {
  if (inputs.unlessAvailable === undefined) {
    return false;
  }
  if ((await observe(apt.session, inputs)).isOffered) {
    return true;
  }
  if (!(await areListsStale(apt))) {
    return false;
  }
  await updateLists(apt);
  return (await observe(apt.session, inputs)).isOffered;
}

async function add(apt: Apt, inputs: AptRepositoryInputs, codename: string): Promise<void> {
  const { connection, name, uri } = inputs;
  const found = await observe(apt.session, inputs);
  if (found.source !== undefined && !isOurs(found.source, inputs)) {
    throw new Error(
      `${formatMachine(connection)} has a repository of this name already; set it aside: ${formatSsh(connection, `sudo mv ${sourceOf(name)} ${sourceOf(name)}.disabled`)}`,
    );
  }
  const key = inputs.signingKey ?? (await fetchKey(inputs.signingKeyUrl ?? "", apt.signal));
  verifyKey(key, inputs.fingerprint);
  const place = (path: string, text: string) =>
    apt.session.run(
      `set -eu
      mkdir -p "$(dirname "$1")"
      trap 'rm -f "$1.new"' EXIT
      cat >"$1.new" && chmod 0644 "$1.new" && mv -f "$1.new" "$1"`,
      { arguments: [path], input: text },
    );
  await place(keyOf(name), key);
  await place(sourceOf(name), renderSource(inputs, codename));
  apt.log(`reading the list of packages of ${uri}`);
  try {
    await runApt(apt, [
      ...[
        "update",
        "-o",
        `Dir::Etc::sourcelist=${sourceOf(name)}`,
        "-o",
        "Dir::Etc::sourceparts=-",
      ],
      ...["-o", "APT::Get::List-Cleanup=0", "-o", "APT::Update::Error-Mode=any"],
    ]);
  } catch (error) {
    // With a repository that fails, apt would complain to everybody on the machine.
    await remove(apt.session, name, uri).catch(() => undefined);
    throw error;
  }
}

async function fetchKey(url: string, signal: AbortSignal): Promise<string> {
  const deadline = AbortSignal.timeout(KEY_DEADLINE_MILLISECONDS);
  try {
    const response = await fetch(url, { signal: AbortSignal.any([signal, deadline]) });
    if (!response.ok) {
      throw new Error(`it answers with status ${response.status}`);
    }
    return await response.text();
  } catch (error) {
    signal.throwIfAborted();
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(
      `the signing key of the package repository could not be fetched: ${reason}; test it from here, or give the key itself: curl --fail ${url}`,
    );
  }
}

/** With the lists that apt has read from it. */
async function remove(session: Session, name: string, uri: string): Promise<void> {
  const lists = uri
    .replace(/^\w+:\/\//, "")
    .replace(/\/*$/, "")
    .replaceAll("/", "_");
  await session.run(
    `if [ -e "$1" ] || [ -e "$2" ]; then
      rm -f "$1" "$2"
      rm -f "/var/lib/apt/lists/$3"_dists_*
    fi`,
    { arguments: [sourceOf(name), keyOf(name), lists] },
  );
}
