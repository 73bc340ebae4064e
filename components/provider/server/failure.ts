import * as grpc from "@grpc/grpc-js";
import pb from "@pulumi/pulumi/proto/provider_pb.js";
import statuspb from "@pulumi/pulumi/proto/status_pb.js";

import { Any } from "./protobuf.ts";
import type { Redactor } from "./redaction.ts";
import type { Properties } from "../resource.ts";
import { encode } from "./wire.ts";

/** A resource that exists but is not as it must be, ready for the wire. */
export interface IncompleteResource {
  readonly id: string;
  readonly inputs: Properties;
  readonly outputs: Properties;
}

/** An operation that failed but left something behind, which the state must remember. */
export class IncompleteError extends Error {
  readonly resource: IncompleteResource;

  constructor(cause: Error, resource: IncompleteResource) {
    super(cause.message, { cause: cause.cause });
    this.resource = resource;
  }
}

/** The answer to a call that failed: no stack, no secret. */
export function toServiceError(error: unknown, redactor: Redactor): Partial<grpc.StatusObject> {
  const message = redactor.redact(describe(error));
  return {
    code: grpc.status.UNKNOWN,
    details: message,
    ...(error instanceof IncompleteError && { metadata: describeState(error.resource, message) }),
  };
}

/** The message of an error with that of its cause: "fetch failed" alone helps nobody. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) {
    return String(error);
  }
  if (error.name === "AbortError") {
    return "cancelled";
  }
  const cause = error.cause === undefined ? "" : describe(error.cause);
  return error.message.includes(cause) ? error.message : `${error.message}: ${cause}`;
}

function describeState(resource: IncompleteResource, reason: string): grpc.Metadata {
  const failed = new pb.ErrorResourceInitFailed().setId(resource.id).setReasonsList([reason]);
  failed.setInputs(encode(resource.inputs));
  failed.setProperties(encode(resource.outputs));
  const detail = new Any();
  detail.pack(failed.serializeBinary(), "pulumirpc.ErrorResourceInitFailed");
  const status = new statuspb.Status().setCode(grpc.status.UNKNOWN).setMessage(reason);
  status.addDetails(detail);
  const metadata = new grpc.Metadata();
  metadata.add("grpc-status-details-bin", Buffer.from(status.serializeBinary()));
  return metadata;
}
