import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

const MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json";

export interface Registry {
  /** What the names of its images begin with, such as `127.0.0.1:5000`. */
  readonly address: string;
  /** SHA-256 of every image's manifest, as a digest: it has one image under all names. */
  readonly digest: string;
  close(): Promise<void>;
}

/**
 * Starts a double of an image registry that wants a login. Under every name and tag it has an image with
 * no file in it. Docker speaks plain HTTP to registries at 127.0.0.1.
 *
 * https://distribution.github.io/distribution/spec/api/
 */
export async function startRegistry(login: {
  readonly username: string;
  readonly password: string;
}): Promise<Registry> {
  const credentials = Buffer.from(`${login.username}:${login.password}`).toString("base64");
  const image = makeEmptyImage();
  const server = createServer((request, response) => {
    if (request.headers.authorization !== `Basic ${credentials}`) {
      refuse(response, 401, "UNAUTHORIZED", "authentication required");
    } else {
      answer(request, response, image);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    digest: image.digest,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

interface Image {
  readonly manifest: Buffer;
  readonly digest: string;
  /** Configuration and layer, by digest. */
  readonly blobs: ReadonlyMap<string, Buffer>;
}

function makeEmptyImage(): Image {
  // Two empty blocks end a tar archive.
  const layer = Buffer.alloc(1024);
  const configuration = Buffer.from(
    JSON.stringify({
      architecture: process.arch === "arm64" ? "arm64" : "amd64",
      os: "linux",
      config: {},
      rootfs: { type: "layers", diff_ids: [digestOf(layer)] },
    }),
  );
  const describe = (mediaType: string, blob: Buffer) => ({
    mediaType,
    size: blob.length,
    digest: digestOf(blob),
  });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST_TYPE,
      config: describe("application/vnd.docker.container.image.v1+json", configuration),
      layers: [describe("application/vnd.docker.image.rootfs.diff.tar", layer)],
    }),
  );
  return {
    manifest,
    digest: digestOf(manifest),
    blobs: new Map([layer, configuration].map((blob) => [digestOf(blob), blob])),
  };
}

function digestOf(blob: Buffer): string {
  return `sha256:${createHash("sha256").update(blob).digest("hex")}`;
}

function answer({ url = "", method }: IncomingMessage, response: ServerResponse, image: Image) {
  if (url === "/v2/") {
    send(response, method, Buffer.from("{}"), "application/json");
  } else if (/^\/v2\/.+\/manifests\//.test(url)) {
    response.setHeader("docker-content-digest", image.digest);
    send(response, method, image.manifest, MANIFEST_TYPE);
  } else {
    const blob = image.blobs.get(url.split("/").at(-1) ?? "");
    if (blob === undefined) refuse(response, 404, "BLOB_UNKNOWN", "there is no such blob");
    else send(response, method, blob, "application/octet-stream");
  }
}

function send(
  response: ServerResponse,
  method: string | undefined,
  body: Buffer,
  type: string,
): void {
  response.writeHead(200, { "content-type": type, "content-length": body.length });
  response.end(method === "HEAD" ? undefined : body);
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, {
    "content-type": "application/json",
    "docker-distribution-api-version": "registry/2.0",
    ...(status === 401 && { "www-authenticate": 'Basic realm="registry double"' }),
  });
  response.end(JSON.stringify({ errors: [{ code, message }] }));
}
