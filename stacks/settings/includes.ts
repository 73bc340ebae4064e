import { type Document, isMap, isScalar, isSeq, LineCounter, parseDocument } from "yaml";
import { z } from "zod";

import { type AccessModelsCandidate, checkAccessModelNames } from "./access-model-names.ts";
import type { Issue, Path } from "./issue.ts";
import {
  findSimilar,
  formatPath,
  isCredential,
  isSecretName,
  listAlternatives,
  removeCommand,
  suggest,
} from "./issue.ts";
import { checkPassThrough, litellmProviders } from "./litellm-keys.ts";
import { includedFileOf, modelFileOf, type ModelFilesSettings } from "./model-files.ts";
import type { ModelDefinition } from "./models.ts";
import type { RedisSettings } from "./redis-settings.ts";
import { checkReferencesIn, listProvidedVariables } from "./references.ts";
import { checkAllFallbacks, type FallbackCandidate } from "./router-consistency.ts";
import { toCamelCase, toConstantCase } from "./secret-names.ts";
import { toAccessCandidate } from "./stored-access.ts";
import type { Settings } from "./settings.ts";

/** Text of a file of the project, by its path there; `undefined` when it cannot be read. */
export type ReadFile = (path: string) => string | undefined;

/** One entry of `includes`. */
export const includedPath = z
  .string()
  .trim()
  .regex(
    /^(?!\/|[A-Za-z]:)(?:(?!\.\.?\/)[^/\\\0]+\/)*[A-Za-z0-9][A-Za-z0-9._-]*\.ya?ml$/,
    "must be the path of a file inside the project that ends in .yaml",
  );

/** What included files are checked by. */
interface IncludesCandidate extends FallbackCandidate, Omit<AccessModelsCandidate, "models"> {
  readonly includes: readonly string[];
  readonly models: readonly { readonly index: number; readonly model: NamedModel }[];
  readonly modelFiles: ModelFilesSettings | undefined;
  readonly environmentVariables: Readonly<Record<string, string>> | undefined;
  readonly redis: RedisSettings | undefined;
  readonly secretNames: ReadonlySet<string>;
}

type NamedModel = Pick<
  ModelDefinition,
  "name" | "fallbacks" | "loadBalanced" | "provider" | "group"
> & { readonly litellmProvider?: string };

/** Paths in the project of the user's own files for LiteLLM. */
export function listIncludedFiles({ includes }: Pick<Settings, "includes">): readonly string[] {
  return includes;
}

/**
 * What is wrong with the included files, for settings that are valid themselves.
 * @param files texts by path; one that is missing could not be read
 */
export function checkIncludes(
  settings: Settings,
  files: Readonly<Record<string, string>>,
): Issue[] {
  const models = settings.models.map((model, index) => ({ model, index }));
  return checkIncludedFiles(
    {
      ...settings,
      models,
      modelNames: new Set(settings.models.map(({ name }) => name)),
      access: toAccessCandidate(settings.access),
      secretNames: new Set(settings.secretNames),
    },
    (path) => (Object.hasOwn(files, path) ? files[path] : undefined),
  );
}

/** Names of all models, those of included files too; each once, in their order. */
export function listModelNames(
  { models, includes }: Pick<Settings, "models" | "includes">,
  files: Readonly<Record<string, string>>,
): string[] {
  const included = includes.flatMap((path) =>
    listModels(readContent(parseDocument(files[path] ?? "", { version: "1.1" }))),
  );
  return [...new Set([...models, ...included].map(({ name }) => name))];
}

/** What is wrong with the included files, each fault with its line. */
export function checkIncludedFiles(candidate: IncludesCandidate, readFile: ReadFile): Issue[] {
  if (candidate.includes.length === 0) return [];
  const files = candidate.includes.map((path, index) => readIncluded(path, index, readFile));
  const names = files.flatMap(({ models }) => models.map(({ name }) => name));
  const complete = {
    ...candidate,
    // With a file that cannot be read, its models cannot be known.
    modelNames:
      candidate.modelNames !== undefined && files.every(({ content }) => content !== undefined)
        ? new Set([...candidate.modelNames, ...names])
        : undefined,
  };
  return [
    ...checkFileNames(candidate),
    ...files.flatMap((file) => [...file.issues, ...checkContent(file, candidate)]),
    ...checkModelNames(candidate, files),
    ...checkAllFallbacks(complete),
    ...checkAccessModelNames(complete),
  ];
}

interface IncludedModel {
  readonly name: string;
  /** Position in `model_list`. */
  readonly position: number;
  readonly loadBalanced: boolean;
}

interface IncludedFile {
  readonly path: string;
  /** Where the file is named among the settings. */
  readonly index: number;
  readonly text: string;
  /** `undefined`: it cannot be read as what it must be. */
  readonly content: Readonly<Record<string, unknown>> | undefined;
  readonly models: readonly IncludedModel[];
  readonly issues: readonly Issue[];
  /** Line of a value of the content, from 1 on. */
  readonly lineOf: (path: Path) => number;
}

/** Two files of one name would be one in the folder that the proxy reads. */
function checkFileNames({ includes, models, modelFiles }: IncludesCandidate): Issue[] {
  return includes.flatMap((path, index): Issue[] => {
    const name = includedFileOf(path);
    const issue = (message: string): Issue[] => [
      { path: ["includes", index], message, command: removeCommand(["includes", index]) },
    ];
    const first = includes.findIndex((other) => includedFileOf(other) === name);
    if (includes[first] === path && first !== index) {
      return issue(`is ${JSON.stringify(path)}, as is includes[${first}]`);
    }
    if (first !== index) {
      return issue(
        `is ${JSON.stringify(path)}, which would be ${name} beside the proxy, as is includes[${first}]: rename the file`,
      );
    }
    const model = models.find(
      (entry) => modelFiles !== undefined && modelFileOf(entry.model, modelFiles) === name,
    );
    return model === undefined
      ? []
      : issue(
          `is ${JSON.stringify(path)}, which would be ${name} beside the proxy, the file of models[${model.index}]: rename the file`,
        );
  });
}

function readIncluded(path: string, index: number, readFile: ReadFile): IncludedFile {
  const text = readFile(path);
  const file = { path, index, text: text ?? "", models: [], content: undefined, lineOf: () => 1 };
  if (text === undefined) {
    const message = `is ${JSON.stringify(path)}, which is no file that can be read`;
    const command = removeCommand(["includes", index]);
    return { ...file, issues: [{ path: ["includes", index], message, command }] };
  }
  const lines = new LineCounter();
  const document = parseDocument(text, {
    // What LiteLLM's reader knows.
    version: "1.1",
    lineCounter: lines,
    prettyErrors: false,
  });
  const faults = [...document.errors, ...document.warnings];
  if (faults.length > 0) {
    const issues = faults.map(({ message, pos: [position] }) =>
      locateIssue(file, lines.linePos(position).line, `is no YAML: ${firstLine(message)}`),
    );
    return { ...file, issues };
  }
  const content = readContent(document);
  const lineOf = (inner: Path): number => findLine(document, inner, lines);
  if (!isObject(content)) {
    const issue = locateIssue(file, 1, "must be lists by name, such as model_list");
    return { ...file, issues: [issue] };
  }
  return { ...file, content, lineOf, models: listModels(content), issues: [] };
}

/** Aliases without end are refused by the library. */
function readContent(document: Document): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch {
    return undefined;
  }
}

function firstLine(text: string): string {
  return (text.split("\n")[0] ?? text).replace(/:$/, "");
}

/** The line of a value, else of what is nearest around it. */
function findLine(document: Document, path: Path, lines: LineCounter): number {
  for (let length = path.length; length > 0; length -= 1) {
    const parent: unknown = document.getIn(path.slice(0, length - 1), true);
    const last = path[length - 1];
    const position = isMap(parent)
      ? startOf(parent.items.find(({ key }) => isScalar(key) && key.value === last)?.key)
      : isSeq(parent)
        ? startOf(parent.items[Number(last)])
        : undefined;
    if (position !== undefined) return lines.linePos(position).line;
  }
  return 1;
}

function startOf(node: unknown): number | undefined {
  return typeof node === "object" && node !== null && "range" in node && Array.isArray(node.range)
    ? (node.range[0] as number)
    : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function listModels(content: unknown): IncludedModel[] {
  const list = isObject(content) ? content["model_list"] : undefined;
  if (!Array.isArray(list)) return [];
  return list.flatMap((entry: unknown, position) => {
    if (!isObject(entry) || typeof entry["model_name"] !== "string") return [];
    const info = entry["model_info"];
    const loadBalanced = isObject(info) && info["load_balanced"] === true;
    return [{ name: entry["model_name"], position, loadBalanced }];
  });
}

/** A fault in a file: told by its line, mended by an editor. */
function locateIssue(
  { path, index }: Pick<IncludedFile, "path" | "index">,
  line: number,
  message: string,
  /** The command that comes first. */
  before?: string,
): Issue {
  const edit = `$EDITOR +${line} ${path}`;
  return {
    path: ["includes", index],
    message: `${path}:${line} ${message}`,
    command: before === undefined ? edit : `${before} && ${edit}`,
  };
}

/** Lists of LiteLLM's config file that an included file adds to. */
const includableLists = [
  "model_list",
  "agent_list",
  "agents",
  "credential_list",
  "guardrails",
  "policies",
  "prompts",
  "sandbox_tools",
  "search_tools",
  "vector_store_registry",
];

function checkContent(file: IncludedFile, candidate: IncludesCandidate): Issue[] {
  const { content } = file;
  if (content === undefined) return [];
  const provided =
    candidate.environmentVariables === undefined
      ? undefined
      : listProvidedVariables({
          secretNames: candidate.secretNames,
          environmentVariables: candidate.environmentVariables,
          redis: candidate.redis,
        });
  const references =
    provided === undefined
      ? []
      : checkReferencesIn(content, [], provided).map((issue) =>
          // The file is right: what it names must be provided.
          ({ ...inFile(file, issue), command: issue.command }),
        );
  return [
    ...Object.entries(content).flatMap(([key, value]) => checkTopLevel(file, key, value)),
    ...checkSecrets(file),
    ...references,
  ];
}

/** @param path inside the file */
function inFile(
  file: IncludedFile,
  { path, message }: { readonly path: Path; readonly message: string },
): Issue {
  return locateIssue(file, file.lineOf(path), `${formatPath(path)} ${message}`);
}

function checkTopLevel(file: IncludedFile, key: string, value: unknown): Issue[] {
  const issue = (message: string): Issue[] => [inFile(file, { path: [key], message })];
  if (key === "include") {
    return issue("is not for an included file; name all files in the setting includes");
  }
  if (!Array.isArray(value)) {
    return issue(
      "is no list: LiteLLM would put it in the place of all that the gateway's own file has there",
    );
  }
  if (!includableLists.includes(key)) {
    return issue(
      `is no list that LiteLLM reads${suggest(key, includableLists) || `, which are ${listAlternatives(includableLists)}`}`,
    );
  }
  return key === "model_list"
    ? value.flatMap((entry: unknown, position) => checkModel(file, entry, [key, position]))
    : [];
}

function checkModel(file: IncludedFile, entry: unknown, path: Path): Issue[] {
  const issue = (inner: Path, message: string): Issue =>
    inFile(file, { path: [...path, ...inner], message });
  if (!isObject(entry)) {
    return [issue([], "must be an object with model_name and litellm_params")];
  }
  const issues: Issue[] = [];
  const { model_name: name, litellm_params: params, model_info: info } = entry;
  const known = ["model_name", "litellm_params", "model_info"];
  for (const key of Object.keys(entry).filter((given) => !known.includes(given))) {
    issues.push(issue([key], `is no key of a model${suggest(key, known)}`));
  }
  if (typeof name !== "string" || name.trim() === "") {
    issues.push(issue(["model_name"], "must be the name that clients ask for, a text"));
  }
  if (!isObject(params)) {
    issues.push(issue(["litellm_params"], "must be an object with model"));
  } else {
    issues.push(...checkUpstream(file, params["model"], [...path, "litellm_params", "model"]));
    issues.push(...checkKeys(file, "litellm_params", params, path));
  }
  if (info !== undefined && !isObject(info)) {
    issues.push(issue(["model_info"], "must be an object"));
  } else if (info !== undefined) {
    issues.push(...checkKeys(file, "model_info", info, path));
  }
  return issues;
}

function checkUpstream(file: IncludedFile, model: unknown, path: Path): Issue[] {
  if (typeof model !== "string" || model.trim() === "") {
    return [inFile(file, { path, message: "must be LiteLLM's name of the model, a text" })];
  }
  const [provider, ...rest] = model.split("/");
  // Without a slash LiteLLM looks the provider up in its own list of models.
  if (provider === undefined || rest.length === 0 || provider === "*") return [];
  if (litellmProviders.includes(provider)) return [];
  const similar = findSimilar(provider, litellmProviders);
  if (similar === undefined) return [];
  return [
    inFile(file, {
      path,
      message: `is ${JSON.stringify(model)}, of a provider that LiteLLM does not know, did you mean ${JSON.stringify([similar, ...rest].join("/"))}?`,
    }),
  ];
}

/** What LiteLLM would ignore; secrets are found wherever they are, not here. */
function checkKeys(
  file: IncludedFile,
  section: "litellm_params" | "model_info",
  value: Readonly<Record<string, unknown>>,
  path: Path,
): Issue[] {
  const own = section === "model_info" ? ["load_balanced"] : [];
  const others = Object.fromEntries(Object.entries(value).filter(([key]) => !own.includes(key)));
  return checkPassThrough(section, others, [...path, section])
    .filter(({ message }) => !message.startsWith("holds a secret"))
    .map((issue) => inFile(file, { path: issue.path, message: issue.message }));
}

/** Credentials in the text, of values and of comments: the file lies beside the proxy for all to read. */
function checkSecrets(file: IncludedFile): Issue[] {
  const lines = new Map<number, string | undefined>();
  collectSecrets(file, file.content, [], lines);
  for (const [index, line] of file.text.split("\n").entries()) {
    if (/\b(?:sk-|gsk_|xai-|ghp_)[A-Za-z0-9_.-]{16,}/.test(line) && !lines.has(index + 1)) {
      lines.set(index + 1, undefined);
    }
  }
  return [...lines].map(([line, name]) =>
    name === undefined
      ? locateIssue(file, line, "holds a secret in plain text (not shown); take it out")
      : locateIssue(
          file,
          line,
          `holds a secret in plain text (not shown); store it as a secret and write os.environ/${toConstantCase(name)}`,
          `pulumi config set --secret --path 'secrets.${name}'`,
        ),
  );
}

function collectSecrets(
  file: IncludedFile,
  value: unknown,
  path: Path,
  lines: Map<number, string | undefined>,
): void {
  const key = path.at(-1);
  if (typeof value === "string") {
    const named = typeof key === "string" && isSecretName(key) && !isNoSecret(value);
    if (named || isCredential(value)) {
      lines.set(file.lineOf(path), toCamelCase(nameSecret(file, path)));
    }
    return;
  }
  const children = Array.isArray(value)
    ? [...value.entries()]
    : isObject(value)
      ? Object.entries(value)
      : [];
  for (const [name, child] of children) collectSecrets(file, child, [...path, name], lines);
}

/** Keys for servers that want none, and references. */
function isNoSecret(value: string): boolean {
  return value === "" || value === "none" || value.startsWith("os.environ/");
}

/** Named after the file and the key: `team_api_key`. */
function nameSecret({ path }: IncludedFile, inner: Path): string {
  const base = (path.split("/").at(-1) ?? "").replace(/\.ya?ml$/, "");
  const key = inner.findLast((segment) => typeof segment === "string") ?? "secret";
  return `${base}_${key}`;
}

/** Names are unique over all files, unless every definition says that they are shared on purpose. */
function checkModelNames(candidate: IncludesCandidate, files: readonly IncludedFile[]): Issue[] {
  const definitions = [
    ...candidate.models.map(({ model, index }) => ({
      name: model.name,
      loadBalanced: model.loadBalanced,
      place: `models[${index}]`,
      issue: undefined,
    })),
    ...files.flatMap((file) =>
      file.models.map(({ name, loadBalanced, position }) => {
        const line = file.lineOf(["model_list", position, "model_name"]);
        return {
          name,
          loadBalanced,
          place: `${file.path}:${line}`,
          issue: (message: string) => locateIssue(file, line, message),
        };
      }),
    ),
  ];
  return definitions.flatMap((definition, index) => {
    if (definition.issue === undefined) return [];
    const others = definitions.filter(
      (other, position) => position !== index && other.name === definition.name,
    );
    if (others.length === 0) return [];
    if (definition.loadBalanced && others.every(({ loadBalanced }) => loadBalanced)) return [];
    return [
      definition.issue(
        `model_name is ${JSON.stringify(definition.name)}, as in ${others.map(({ place }) => place).join(" and ")}: give each its own name, or set loadBalanced (in a file model_info.load_balanced) on all of them and LiteLLM spreads requests over them`,
      ),
    ];
  });
}
