import * as grpc from "@grpc/grpc-js";
import enginegrpc from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import enginepb from "@pulumi/pulumi/proto/engine_pb.js";
import pluginpb from "@pulumi/pulumi/proto/plugin_pb.js";
import providergrpc from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import pb from "@pulumi/pulumi/proto/provider_pb.js";
import type { Struct } from "google-protobuf/google/protobuf/struct_pb.js";

import { listChanges, planChanges, type PlannedChange } from "./diff.ts";
import { describeDrift } from "./drift.ts";
import { IncompleteError, toServiceError } from "./failure.ts";
import { formatPath } from "./property-path.ts";
import { Empty } from "./protobuf.ts";
import { Redactor } from "./redaction.ts";
import {
  type OperationContext,
  PartialFailure,
  type Properties,
  type ResourceDefinition,
  Unobservable,
} from "../resource.ts";
import { isUnknownAt, parseKnown, validate } from "./validation.ts";
import {
  conceal,
  containsUnknown,
  decode,
  encode,
  listSecrets,
  markSecret,
  reveal,
  UNKNOWN,
} from "./wire.ts";

/** Pulumi's own limit; a rendered file may well pass the 4 MiB of gRPC. */
const MESSAGE_BYTES = 400 << 20;
const CHANNEL_OPTIONS = {
  "grpc.max_receive_message_length": MESSAGE_BYTES,
  "grpc.max_send_message_length": MESSAGE_BYTES,
};

export interface ProviderOptions {
  /** Pulumi package, the first part of every type token. */
  readonly name: string;
  readonly version: string;
  readonly definitions: readonly ResourceDefinition[];
  /** The target is not this machine: never observe before an update. Default: false. */
  readonly isTargetAbsent?: boolean;
}

export interface RunningProvider {
  /** TCP port on 127.0.0.1. */
  readonly port: number;
  /** Aborts what is running and resolves when it has ended. */
  stop(): Promise<void>;
}

/** Serves resource definitions to the Pulumi engine: its `ResourceProvider` gRPC service. */
export async function serve(options: ProviderOptions): Promise<RunningProvider> {
  const provider = new Provider(options);
  const server = new grpc.Server(CHANNEL_OPTIONS);
  server.addService(providergrpc.ResourceProviderService, provider.listHandlers());
  const port = await new Promise<number>((resolve, reject) => {
    const credentials = grpc.ServerCredentials.createInsecure();
    server.bindAsync("127.0.0.1:0", credentials, (error, bound) => {
      if (error === null) {
        resolve(bound);
      } else {
        reject(error);
      }
    });
  });
  return {
    port,
    async stop() {
      provider.cancel();
      await new Promise<void>((resolve) => {
        server.tryShutdown(() => {
          resolve();
        });
      });
    },
  };
}

/** Properties of a request: as they came, with secrets marked, and in clear. */
interface Received {
  readonly marked: Properties;
  readonly plain: Properties;
}

class Provider {
  readonly #options: ProviderOptions;
  readonly #cancellation = new AbortController();
  readonly #redactor = new Redactor();
  readonly #definitions: ReadonlyMap<string, ResourceDefinition>;
  #engine: enginegrpc.EngineClient | undefined;
  #configuration: Properties = {};

  constructor(options: ProviderOptions) {
    this.#options = options;
    this.#definitions = new Map(options.definitions.map((each) => [each.token, each]));
  }

  cancel(): void {
    this.#cancellation.abort(new Error("cancelled"));
  }

  /** gRPC itself answers UNIMPLEMENTED for what is missing here. */
  listHandlers(): grpc.UntypedServiceImplementation {
    return {
      handshake: this.#handle((request: pb.ProviderHandshakeRequest) => {
        this.#connectEngine(request.getEngineAddress());
        return new pb.ProviderHandshakeResponse().setAcceptSecrets(true);
      }),
      attach: this.#handle((request: pluginpb.PluginAttach) => {
        this.#connectEngine(request.getAddress());
        return new Empty();
      }),
      getPluginInfo: this.#handle(() =>
        new pluginpb.PluginInfo().setVersion(this.#options.version),
      ),
      getSchema: this.#handle(() => this.#describeSchema()),
      checkConfig: this.#handle((request: pb.CheckRequest) => {
        const response = new pb.CheckResponse();
        response.setInputs(request.getNews());
        return response;
      }),
      diffConfig: this.#handle((request: pb.DiffRequest) => this.#diffConfig(request)),
      configure: this.#handle((request: pb.ConfigureRequest) => {
        this.#configuration = this.#receive(request.getArgs()).plain;
        return new pb.ConfigureResponse().setAcceptsecrets(true).setSupportspreview(true);
      }),
      check: this.#handle((request: pb.CheckRequest) => this.#check(request)),
      diff: this.#handle((request: pb.DiffRequest) => this.#diff(request)),
      create: this.#handle((request: pb.CreateRequest) => this.#create(request)),
      read: this.#handle((request: pb.ReadRequest) => this.#read(request)),
      update: this.#handle((request: pb.UpdateRequest) => this.#update(request)),
      delete: this.#handle((request: pb.DeleteRequest) => this.#delete(request)),
      cancel: this.#handle(() => {
        this.cancel();
        return new Empty();
      }),
    };
  }

  #handle<Request, Response>(
    answer: (request: Request) => Response | Promise<Response>,
  ): grpc.handleUnaryCall<Request, Response> {
    return (call, callback) => {
      const answered = (async () => answer(call.request))();
      answered.then(
        (response) => {
          callback(null, response);
        },
        (error: unknown) => {
          if (error instanceof Error && error.stack !== undefined) {
            this.#log("", error.stack, { severity: "debug" });
          }
          callback(toServiceError(error, this.#redactor));
        },
      );
    };
  }

  async #check(request: pb.CheckRequest): Promise<pb.CheckResponse> {
    const definition = this.#findDefinition(request.getUrn());
    const received = this.#receive(request.getNews());
    const previous = this.#receive(request.getOlds()).plain;
    const { inputs, failures } = validate(definition.inputs, received.plain);
    if (failures.length === 0) {
      const isNew = Object.keys(previous).length === 0;
      const found = await definition.check?.(
        inputs,
        isNew ? undefined : parseState(definition, previous),
      );
      failures.push(...(found ?? []).filter(({ property }) => !isUnknownAt(inputs, property)));
    }
    const response = new pb.CheckResponse();
    response.setInputs(this.#encode(definition, inputs, received.marked));
    // With a property of its own, the CLI would print the value beside it.
    response.setFailuresList(
      failures.map(({ property, reason }) =>
        new pb.CheckFailure().setReason(
          this.#redactor.redact(property === "" ? reason : `${property}: ${reason}`),
        ),
      ),
    );
    return response;
  }

  async #diff(request: pb.DiffRequest): Promise<pb.DiffResponse> {
    const definition = this.#findDefinition(request.getUrn());
    const recordedInputs = this.#receive(request.getOldInputs());
    const recorded = {
      inputs: recordedInputs.plain,
      outputs: this.#receive(request.getOlds()).plain,
    };
    const inputs = this.#receive(request.getNews()).plain;
    const observed = await this.#observe(definition, request, recorded, inputs);
    const changes = planChanges(
      definition,
      { recorded, observed, inputs },
      request.getIgnorechangesList(),
    );
    const drift = describeDrift(changes, recordedInputs.marked, observed?.inputs);
    if (drift !== undefined) this.#log(request.getUrn(), drift);
    const replaces = changes.filter((change) => change.replaces).map(topLevelProperty);
    const response = describeChanges(changes.map(topLevelProperty))
      .setReplacesList([...new Set(replaces)])
      .setDeletebeforereplace(definition.deleteBeforeReplace === true)
      .setHasdetaileddiff(true);
    for (const change of changes) {
      response.getDetaileddiffMap().set(formatPath(change.path), describeChange(change));
    }
    return response;
  }

  /** What is there before an update; what is recorded where that is not to be, or cannot be, looked at. */
  async #observe(
    definition: ResourceDefinition,
    request: pb.DiffRequest,
    recorded: { readonly inputs: Properties; readonly outputs: Properties },
    inputs: Properties,
  ): Promise<{ inputs: Properties; outputs: Properties } | undefined> {
    if (definition.observeBeforeUpdate !== true || this.#options.isTargetAbsent === true) {
      return recorded;
    }
    const location = pick(inputs, definition.locatedBy ?? []);
    if (containsUnknown(location)) return recorded;
    const found = await this.#look(definition, request, recorded, location);
    return (
      found && {
        // Where it was looked for is no drift.
        inputs: { ...found.inputs, ...pick(recorded.inputs, definition.locatedBy ?? []) },
        outputs: found.outputs,
      }
    );
  }

  /** What is there; what is recorded where nobody can look now. */
  async #look(
    definition: ResourceDefinition,
    request: { getUrn(): string; getId(): string },
    recorded: { readonly inputs: Properties; readonly outputs: Properties },
    location: Properties = {},
  ): Promise<{ inputs: Properties; outputs: Properties } | undefined> {
    const context = this.#openContext(request.getUrn());
    try {
      await definition.assertObservable?.(context);
      return await definition.read(context, request.getId(), {
        inputs: parseState(definition, { ...recorded.inputs, ...location }),
        outputs: recorded.outputs,
      });
    } catch (error) {
      if (!(error instanceof Unobservable)) throw error;
      const message = `taken for what it was, for it cannot be looked at: ${error.message}`;
      context.log(message, { severity: "warning" });
      return recorded;
    }
  }

  async #create(request: pb.CreateRequest): Promise<pb.CreateResponse> {
    const definition = this.#findDefinition(request.getUrn());
    const { marked, plain: inputs } = this.#receive(request.getProperties());
    const response = new pb.CreateResponse();
    if (request.getPreview()) {
      const outputs = { ...inputs, ...setUnknown(definition.computedOutputs) };
      response.setProperties(this.#encode(definition, outputs, marked));
      return response;
    }
    const created = await this.#keepState(definition, marked, () =>
      definition.create(this.#openContext(request.getUrn()), inputs),
    );
    response.setId(created.id);
    response.setProperties(this.#encode(definition, { ...inputs, ...created.outputs }, marked));
    return response;
  }

  /** Answers a refresh, and an import, which comes without inputs and outputs. */
  async #read(request: pb.ReadRequest): Promise<pb.ReadResponse> {
    const definition = this.#findDefinition(request.getUrn());
    const inputs = this.#receive(request.getInputs());
    const outputs = this.#receive(request.getProperties());
    const isImport = Object.keys(inputs.plain).length === 0;
    const found = await this.#keepState(definition, inputs.marked, () =>
      isImport
        ? definition.read(this.#openContext(request.getUrn()), request.getId(), {
            inputs: {},
            outputs: outputs.plain,
          })
        : this.#look(definition, request, { inputs: inputs.plain, outputs: outputs.plain }),
    );
    const response = new pb.ReadResponse();
    if (found === undefined) {
      return response;
    }
    response.setId(request.getId());
    const secretWhenImported = definition.secretWhenImported ?? [];
    const foundInputs = this.#mark(
      definition,
      found.inputs,
      isImport
        ? Object.fromEntries(secretWhenImported.map((name) => [name, markSecret(undefined)]))
        : inputs.marked,
    );
    const foundOutputs = this.#mark(definition, found.outputs, outputs.marked);
    response.setInputs(encode(foundInputs));
    response.setProperties(encode({ ...foundInputs, ...foundOutputs }));
    return response;
  }

  async #update(request: pb.UpdateRequest): Promise<pb.UpdateResponse> {
    const definition = this.#findDefinition(request.getUrn());
    const { marked, plain: inputs } = this.#receive(request.getNews());
    const previousInputs = this.#receive(request.getOldInputs()).plain;
    const outputs = this.#receive(request.getOlds()).plain;
    const response = new pb.UpdateResponse();
    if (request.getPreview()) {
      const missing = definition.computedOutputs.filter((name) => outputs[name] === undefined);
      const { volatileOutputs = [] } = definition;
      const changing =
        typeof volatileOutputs === "function"
          ? volatileOutputs({ inputs, previousInputs, outputs })
          : volatileOutputs;
      const expected = {
        ...omit(outputs, Object.keys(previousInputs)),
        ...inputs,
        ...setUnknown([...missing, ...changing]),
      };
      response.setProperties(this.#encode(definition, expected, marked));
      return response;
    }
    if (definition.update === undefined) {
      throw new Error(`${definition.token} cannot be updated, only replaced`);
    }
    const update = definition.update.bind(definition);
    const updated = await this.#keepState(definition, marked, () =>
      update(this.#openContext(request.getUrn()), request.getId(), {
        inputs,
        previousInputs: parseState(definition, previousInputs),
        outputs,
      }),
    );
    response.setProperties(this.#encode(definition, { ...inputs, ...updated }, marked));
    return response;
  }

  async #delete(request: pb.DeleteRequest): Promise<InstanceType<typeof Empty>> {
    const definition = this.#findDefinition(request.getUrn());
    const outputs = this.#receive(request.getProperties()).plain;
    const inputs = this.#receive(request.getOldInputs()).plain;
    await definition.delete(this.#openContext(request.getUrn()), request.getId(), {
      inputs: parseState(definition, inputs),
      outputs,
    });
    return new Empty();
  }

  #diffConfig(request: pb.DiffRequest): pb.DiffResponse {
    const changes = listChanges(
      this.#receive(request.getOldInputs()).plain,
      this.#receive(request.getNews()).plain,
    );
    return describeChanges(changes.map(topLevelProperty));
  }

  #describeSchema(): pb.GetSchemaResponse {
    const { name, version, definitions } = this.#options;
    const resources = Object.fromEntries(definitions.map(({ token }) => [token, {}]));
    return new pb.GetSchemaResponse().setSchema(JSON.stringify({ name, version, resources }));
  }

  #findDefinition(urn: string): ResourceDefinition {
    // urn:pulumi:stack::project::parentType$type::name
    const token = urn.split("::")[2]?.split("$").at(-1) ?? "";
    const definition = this.#definitions.get(token);
    if (definition === undefined) {
      throw new Error(
        `this version of provider "${this.#options.name}" has no resource type "${token}"; ` +
          `update the checkout, or forget the resource: pulumi state delete '${urn}'`,
      );
    }
    return definition;
  }

  /** Every secret passes here, so from here on it can be redacted. */
  #receive(message: Struct | undefined): Received {
    const marked = decode(message);
    for (const secret of listSecrets(marked)) {
      this.#redactor.learn(secret);
    }
    return { marked, plain: reveal(marked) };
  }

  /** Properties for the engine: secret where `pattern` is, and where the definition says so. */
  #mark(definition: ResourceDefinition, properties: Properties, pattern: Properties): Properties {
    const marked = conceal(properties, pattern);
    for (const name of definition.secretOutputs ?? []) {
      if (marked[name] !== undefined) {
        marked[name] = markSecret(marked[name]);
        this.#redactor.learn(reveal(marked[name]));
      }
    }
    return marked;
  }

  #encode(definition: ResourceDefinition, properties: Properties, pattern: Properties): Struct {
    return encode(this.#mark(definition, properties, pattern));
  }

  /** Runs an operation; what a partial failure has left behind goes into the state. */
  async #keepState<T>(
    definition: ResourceDefinition,
    inputs: Properties,
    operation: () => Promise<T>,
  ): Promise<T> {
    try {
      return await operation();
    } catch (error) {
      if (!(error instanceof PartialFailure)) {
        throw error;
      }
      throw new IncompleteError(error, {
        id: error.id,
        inputs,
        outputs: this.#mark(definition, { ...reveal(inputs), ...error.outputs }, inputs),
      });
    }
  }

  #openContext(urn: string): OperationContext {
    return {
      urn,
      signal: this.#cancellation.signal,
      configuration: this.#configuration,
      conceal: (secret) => {
        this.#redactor.learn(secret);
      },
      log: (message, options) => {
        this.#log(urn, message, options);
      },
    };
  }

  #connectEngine(address: string): void {
    this.#engine ??= new enginegrpc.EngineClient(
      address,
      grpc.credentials.createInsecure(),
      CHANNEL_OPTIONS,
    );
  }

  #log(
    urn: string,
    message: string,
    options: { ephemeral?: boolean; severity?: "debug" | "info" | "warning" } = {},
  ): void {
    const severities = {
      debug: enginepb.LogSeverity.DEBUG,
      info: enginepb.LogSeverity.INFO,
      warning: enginepb.LogSeverity.WARNING,
    };
    const request = new enginepb.LogRequest()
      .setUrn(urn)
      .setMessage(this.#redactor.redact(message))
      .setSeverity(severities[options.severity ?? "info"])
      .setEphemeral(options.ephemeral ?? false);
    // A line that got lost must not fail the operation it tells of.
    this.#engine?.log(request, () => undefined);
  }
}

/** Stored inputs, which an older version may have written, with today's defaults. */
function parseState(definition: ResourceDefinition, inputs: Properties): Properties {
  return parseKnown(definition.inputs, inputs) as Properties;
}

function setUnknown(names: readonly string[]): Properties {
  return Object.fromEntries(names.map((name) => [name, UNKNOWN]));
}

function omit(properties: Properties, names: readonly string[]): Properties {
  return Object.fromEntries(Object.entries(properties).filter(([name]) => !names.includes(name)));
}

function pick(properties: Properties, names: readonly string[]): Properties {
  return Object.fromEntries(Object.entries(properties).filter(([name]) => names.includes(name)));
}

const topLevelProperty = ({ path }: Pick<PlannedChange, "path">): string => String(path[0]);

function describeChanges(properties: readonly string[]): pb.DiffResponse {
  const { DIFF_NONE, DIFF_SOME } = pb.DiffResponse.DiffChanges;
  return new pb.DiffResponse()
    .setChanges(properties.length === 0 ? DIFF_NONE : DIFF_SOME)
    .setDiffsList([...new Set(properties)]);
}

function describeChange(change: PlannedChange): pb.PropertyDiff {
  const { Kind } = pb.PropertyDiff;
  const kinds = {
    add: [Kind.ADD, Kind.ADD_REPLACE],
    delete: [Kind.DELETE, Kind.DELETE_REPLACE],
    update: [Kind.UPDATE, Kind.UPDATE_REPLACE],
  } as const;
  const [updates, replaces] = kinds[change.kind];
  return new pb.PropertyDiff()
    .setKind(change.replaces ? replaces : updates)
    .setInputdiff(change.ofInputs);
}
