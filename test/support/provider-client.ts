import * as grpc from "@grpc/grpc-js";
import enginegrpc from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import type enginepb from "@pulumi/pulumi/proto/engine_pb.js";
import providergrpc from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import pb from "@pulumi/pulumi/proto/provider_pb.js";
import statuspb from "@pulumi/pulumi/proto/status_pb.js";

import { Empty } from "../../components/provider/server/protobuf.ts";
import type { Properties } from "../../components/provider/resource.ts";
import { decode, encode } from "../../components/provider/server/wire.ts";

type Callback<Response> = (error: grpc.ServiceError | null, response: Response) => void;

/** Awaits one gRPC call. */
export function call<Request, Response>(
  method: (request: Request, callback: Callback<Response>) => unknown,
  request: Request,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    method(request, (error, response) => {
      if (error === null) {
        resolve(response);
      } else {
        reject(error);
      }
    });
  });
}

/** Speaks to a provider plugin as the Pulumi engine does. */
export class ProviderClient {
  readonly raw: providergrpc.ResourceProviderClient;
  readonly #urn: string;

  constructor(port: number, token: string) {
    this.#urn = `urn:pulumi:test::test::parent:index:Type$${token}::name`;
    this.raw = new providergrpc.ResourceProviderClient(
      `127.0.0.1:${port}`,
      grpc.credentials.createInsecure(),
      { "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 },
    );
  }

  close(): void {
    this.raw.close();
  }

  async check(news: Properties, olds: Properties = {}) {
    const request = new pb.CheckRequest().setUrn(this.#urn);
    request.setNews(encode(news));
    request.setOlds(encode(olds));
    const response = await call<pb.CheckRequest, pb.CheckResponse>(
      this.raw.check.bind(this.raw),
      request,
    );
    return {
      inputs: decode(response.getInputs()),
      failures: response.getFailuresList().map((failure) => failure.toObject()),
    };
  }

  async diff(
    state: { id?: string; oldInputs: Properties; olds?: Properties; news: Properties },
    ignoreChanges: string[] = [],
  ) {
    const request = new pb.DiffRequest().setUrn(this.#urn).setId(state.id ?? "id");
    request.setOldInputs(encode(state.oldInputs));
    request.setOlds(encode(state.olds ?? state.oldInputs));
    request.setNews(encode(state.news));
    request.setIgnorechangesList(ignoreChanges);
    const response = await call<pb.DiffRequest, pb.DiffResponse>(
      this.raw.diff.bind(this.raw),
      request,
    );
    const detailed: Record<string, { kind: number; inputdiff: boolean }> = {};
    response.getDetaileddiffMap().forEach((change, path) => {
      detailed[path] = { kind: change.getKind(), inputdiff: change.getInputdiff() };
    });
    return { ...response.toObject(), detailed };
  }

  async create(properties: Properties, options: { preview?: boolean } = {}) {
    const request = new pb.CreateRequest().setUrn(this.#urn).setPreview(options.preview ?? false);
    request.setProperties(encode(properties));
    const response = await call<pb.CreateRequest, pb.CreateResponse>(
      this.raw.create.bind(this.raw),
      request,
    );
    return {
      id: response.getId(),
      properties: decode(response.getProperties()),
    };
  }

  async read(id: string, inputs: Properties = {}, properties: Properties = {}) {
    const request = new pb.ReadRequest().setUrn(this.#urn).setId(id);
    request.setInputs(encode(inputs));
    request.setProperties(encode(properties));
    const response = await call<pb.ReadRequest, pb.ReadResponse>(
      this.raw.read.bind(this.raw),
      request,
    );
    return {
      id: response.getId(),
      inputs: decode(response.getInputs()),
      properties: decode(response.getProperties()),
    };
  }

  async update(
    state: { oldInputs: Properties; olds: Properties; news: Properties },
    options: { preview?: boolean } = {},
  ) {
    const request = new pb.UpdateRequest().setUrn(this.#urn).setId("id");
    request.setPreview(options.preview ?? false);
    request.setOldInputs(encode(state.oldInputs));
    request.setOlds(encode(state.olds));
    request.setNews(encode(state.news));
    const response = await call<pb.UpdateRequest, pb.UpdateResponse>(
      this.raw.update.bind(this.raw),
      request,
    );
    return decode(response.getProperties());
  }

  async delete(id: string, properties: Properties, oldInputs: Properties): Promise<void> {
    const request = new pb.DeleteRequest().setUrn(this.#urn).setId(id);
    request.setProperties(encode(properties));
    request.setOldInputs(encode(oldInputs));
    await call<pb.DeleteRequest, unknown>(this.raw.delete.bind(this.raw), request);
  }

  async cancel(): Promise<void> {
    await call(this.raw.cancel.bind(this.raw), new Empty());
  }
}

/** What a failed call says of the state that remains. */
export function decodeInitFailure(error: unknown) {
  const [details] = (error as grpc.ServiceError).metadata.get("grpc-status-details-bin");
  const status = statuspb.Status.deserializeBinary(details as Buffer);
  const [detail] = status.getDetailsList();
  const failed = detail?.unpack(
    pb.ErrorResourceInitFailed.deserializeBinary.bind(pb.ErrorResourceInitFailed),
    "pulumirpc.ErrorResourceInitFailed",
  );
  return {
    id: failed?.getId(),
    reasons: failed?.getReasonsList(),
    inputs: decode(failed?.getInputs()),
    properties: decode(failed?.getProperties()),
  };
}

/** The part of the engine that a provider logs to. */
export async function listenForLogs() {
  const lines: enginepb.LogRequest.AsObject[] = [];
  const server = new grpc.Server();
  server.addService(enginegrpc.EngineService, {
    log: (request: { request: enginepb.LogRequest }, callback: grpc.sendUnaryData<unknown>) => {
      lines.push(request.request.toObject());
      callback(null, new Empty());
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) {
        resolve(bound);
      } else {
        reject(error);
      }
    });
  });
  return {
    address: `127.0.0.1:${port}`,
    lines,
    close: () => {
      server.forceShutdown();
    },
  };
}
