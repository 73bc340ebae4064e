import { createRequire } from "node:module";

/**
 * Protobuf's well-known types, from the very copy of google-protobuf that Pulumi's
 * generated code uses: it refuses instances of another copy's classes.
 */
const requireFromPulumi = createRequire(import.meta.resolve("@pulumi/pulumi/proto/provider_pb.js"));

export const { Any } = requireFromPulumi(
  "google-protobuf/google/protobuf/any_pb.js",
) as typeof import("google-protobuf/google/protobuf/any_pb.js");

export const { Empty } = requireFromPulumi(
  "google-protobuf/google/protobuf/empty_pb.js",
) as typeof import("google-protobuf/google/protobuf/empty_pb.js");

export const { Struct } = requireFromPulumi(
  "google-protobuf/google/protobuf/struct_pb.js",
) as typeof import("google-protobuf/google/protobuf/struct_pb.js");
