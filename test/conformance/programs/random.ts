/** Every resource of @pulumi/random. CONFORMANCE holds `{ generation: string }`. */
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";

const { generation } = JSON.parse(process.env["CONFORMANCE"] ?? "{}") as { generation: string };
const keepers = { generation };

export const kept = new random.RandomPassword("kept", { length: 32 }).result;
export const password = new random.RandomPassword("password", { length: 24, keepers }).result;
export const string = new random.RandomString("string", { length: 12, special: false, keepers })
  .result;
export const bytes = pulumi.secret(new random.RandomBytes("bytes", { length: 32, keepers }).hex);
export const id = new random.RandomId("id", { byteLength: 4, keepers }).hex;
export const integer = new random.RandomInteger("integer", { min: 1, max: 1_000_000, keepers })
  .result;
export const pet = new random.RandomPet("pet", { keepers }).id;
export const shuffled = new random.RandomShuffle("shuffled", {
  inputs: ["a", "b", "c"],
  resultCount: 2,
  keepers,
}).results;
export const uuid = new random.RandomUuid("uuid", { keepers }).result;
export const uuid4 = new random.RandomUuid4("uuid4", { keepers }).result;
export const uuid7 = new random.RandomUuid7("uuid7", { keepers }).result;
