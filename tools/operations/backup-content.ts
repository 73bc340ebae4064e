import { createHash } from "node:crypto";

import { ARCHIVE_END, type ArchivedFile, packEntry, readArchive } from "./archive.ts";

/** What a backup says of itself. */
export interface Manifest {
  readonly format: 1;
  /** When, as ISO 8601. */
  readonly created: string;
  readonly stack: string;
  /** Of LiteLLM and the rest, as the stack tells them. */
  readonly versions: Readonly<Record<string, string>>;
  readonly engine: string;
  readonly database: {
    readonly name: string;
    readonly role: string;
    /** Version of PostgreSQL. */
    readonly server: string;
    /** Rows of each table, at the moment of the dump: `public.requests`. */
    readonly tables: Readonly<Record<string, number>>;
  };
  /** SHA-256 and length of every other file, and of the parts of the dump put together. */
  readonly files: Readonly<Record<string, { readonly sha256: string; readonly bytes: number }>>;
}

/** By the setting that takes each one. */
export interface BackupSecrets {
  readonly settings: Readonly<Record<string, string>>;
  /** By alias. */
  readonly staticKeys: Readonly<Record<string, string>>;
}

/** What is dumped while it is being packed. */
export interface DumpSource {
  readonly server: string;
  readonly tables: Readonly<Record<string, number>>;
  /** What `pg_dump --format=custom` prints. */
  readonly content: AsyncIterable<Uint8Array>;
}

export interface BackupSources {
  readonly about: Pick<Manifest, "created" | "stack" | "versions" | "engine"> & {
    readonly database: Pick<Manifest["database"], "name" | "role">;
  };
  readonly secrets: BackupSecrets;
  /** Archives of the machines' settings, and the like: small ones. */
  readonly files: readonly ArchivedFile[];
  readonly dump: DumpSource;
}

const MANIFEST = "manifest.json";
const SECRETS = "secrets.json";
const DUMP = "database.dump";
/** A dump has parts, as tar wants to know the size of a file before it begins. */
const PART_BYTES = 16 * 1024 * 1024;
/** How every dump in PostgreSQL's custom format begins. */
const DUMP_MAGIC = "PGDMP";

/** The archive of a backup, piece by piece. `sources.dump` is read once. */
export async function* packBackup(sources: BackupSources): AsyncGenerator<Buffer, void, void> {
  const files: Record<string, { sha256: string; bytes: number }> = {};
  const pack = (file: ArchivedFile): Buffer => {
    files[file.name] = { sha256: sha256(file.content), bytes: file.content.length };
    return packEntry(file);
  };
  const { about, secrets, dump } = sources;
  yield pack({ name: "README.txt", content: Buffer.from(describe(about.database)) });
  yield pack({ name: SECRETS, content: formatJson(secrets) });
  for (const file of sources.files) yield pack(file);

  const whole = createHash("sha256");
  let bytes = 0;
  let number = 0;
  for await (const part of splitParts(dump.content)) {
    whole.update(part);
    bytes += part.length;
    yield pack({ name: `${DUMP}.${String(number++).padStart(4, "0")}`, content: part });
  }
  files[DUMP] = { sha256: whole.digest("hex"), bytes };
  const manifest: Manifest = {
    format: 1,
    ...about,
    database: { ...about.database, server: dump.server, tables: dump.tables },
    files,
  };
  yield packEntry({ name: MANIFEST, content: formatJson(manifest) });
  yield ARCHIVE_END;
}

export interface CheckedBackup {
  readonly manifest: Manifest;
  readonly secrets: BackupSecrets;
}

/**
 * Reads a whole backup and compares every checksum.
 *
 * @throws Error naming what is missing, changed or not in the manifest
 */
export async function checkBackup(chunks: AsyncIterable<Uint8Array>): Promise<CheckedBackup> {
  const found = new Map<string, { sha256: string; bytes: number }>();
  const whole = createHash("sha256");
  let dumped = 0;
  let isDump = false;
  let manifest: Manifest | undefined;
  let secrets: BackupSecrets | undefined;
  for await (const { name, content } of readArchive(chunks)) {
    if (name === MANIFEST) {
      manifest = JSON.parse(content.toString("utf8")) as Manifest;
      continue;
    }
    found.set(name, { sha256: sha256(content), bytes: content.length });
    if (name === SECRETS) secrets = JSON.parse(content.toString("utf8")) as BackupSecrets;
    if (isPartOfDump(name)) {
      isDump ||= dumped === 0 && content.toString("latin1", 0, DUMP_MAGIC.length) === DUMP_MAGIC;
      whole.update(content);
      dumped += content.length;
    }
  }
  found.set(DUMP, { sha256: whole.digest("hex"), bytes: dumped });
  if (manifest === undefined || secrets === undefined) {
    throw new Error(`the backup has no ${manifest === undefined ? MANIFEST : SECRETS}`);
  }
  const names = new Set([...Object.keys(manifest.files), ...found.keys()]);
  const wrong = [...names].filter((name) => {
    const [is, expected] = [found.get(name), manifest.files[name]];
    return is?.sha256 !== expected?.sha256 || is?.bytes !== expected?.bytes;
  });
  if (!isDump) wrong.push(DUMP);
  if (wrong.length > 0) {
    throw new Error(
      `the backup is damaged: ${[...new Set(wrong)].join(", ")} does not agree with the manifest; take another one`,
    );
  }
  return { manifest, secrets };
}

/**
 * The dump alone. Ends in an error, rather than in the end of the dump, where the whole
 * is not what the manifest says.
 */
export async function* readDump(
  chunks: AsyncIterable<Uint8Array>,
  { files }: Pick<Manifest, "files">,
): AsyncGenerator<Buffer, void, void> {
  const whole = createHash("sha256");
  let last: Buffer | undefined;
  for await (const { name, content } of readArchive(chunks)) {
    if (!isPartOfDump(name)) continue;
    whole.update(content);
    // Whoever reads it must not have the end of a dump that is not whole.
    if (last !== undefined) yield last;
    last = content;
  }
  if (last === undefined || whole.digest("hex") !== files[DUMP]?.sha256) {
    throw new Error("the backup has changed while it was read; take another one");
  }
  yield last;
}

function isPartOfDump(name: string): boolean {
  return name.startsWith(`${DUMP}.`);
}

async function* splitParts(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void, void> {
  let kept: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    kept.push(chunk);
    length += chunk.byteLength;
    if (length < PART_BYTES) continue;
    const all = Buffer.concat(kept);
    let start = 0;
    for (; all.length - start >= PART_BYTES; start += PART_BYTES) {
      yield all.subarray(start, start + PART_BYTES);
    }
    kept = [all.subarray(start)];
    length = all.length - start;
  }
  if (length > 0) yield Buffer.concat(kept);
}

function sha256(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

function formatJson(value: object): Buffer {
  return Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`);
}

/** For whoever has the file and not the toolkit. */
function describe({ name, role }: Pick<Manifest["database"], "name" | "role">): string {
  return `A backup of a LiteLLM gateway, made by npm run backup; npm run restore takes it.
By hand, as postgres on the machine of the database, which must be empty:

    age --decrypt backup.tar.age | tar --extract
    cat database.dump.* > database.dump
    pg_restore --no-owner --no-privileges --role=${role} --single-transaction --dbname=${name} database.dump

secrets.json      keys and passwords; what is in the database can be read with this saltKey only
manifest.json     versions, rows of every table, SHA-256 of every file
*.tar.gz          settings of the machines
`;
}
