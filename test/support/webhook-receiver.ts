import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

interface Post {
  /** With its query. */
  readonly path: string;
  /** By names in lower case. */
  readonly headers: NodeJS.Dict<string | string[]>;
  /** The body as it came, and read as JSON where it is. */
  readonly text: string;
  readonly json: unknown;
}

export interface WebhookReceiver {
  readonly port: number;
  /** All so far. */
  readonly posts: readonly Post[];
  /**
   * The first post that is meant, of those that have come or will.
   *
   * @throws Error with what has come instead, after so many milliseconds
   */
  awaitPost(isMeant: (post: Post) => boolean, milliseconds: number): Promise<Post>;
  close(): Promise<void>;
}

/**
 * Starts a server that takes whatever is posted to it.
 *
 * @param host address to listen on; containers reach `0.0.0.0` by their network's gateway. Default:
 * this machine only
 */
export async function startWebhookReceiver(host = "127.0.0.1"): Promise<WebhookReceiver> {
  const posts: Post[] = [];
  const listeners = new Set<() => void>();
  const server = createServer((request, response) => {
    let text = "";
    request
      .setEncoding("utf8")
      .on("data", (piece: string) => (text += piece))
      .once("end", () => {
        response.writeHead(200, { "content-type": "text/plain" }).end("ok");
        posts.push({
          path: request.url ?? "",
          headers: request.headers,
          text,
          json: parseJson(text),
        });
        for (const listener of listeners) {
          listener();
        }
      });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(0, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    posts,
    awaitPost: (isMeant, milliseconds) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = posts.find(isMeant);
          if (found !== undefined) {
            clearTimeout(deadline);
            listeners.delete(look);
            resolve(found);
          }
        };
        const deadline = setTimeout(() => {
          listeners.delete(look);
          const others = posts.map(({ path, text }) => `${path} ${text}`).join("\n");
          reject(
            new Error(
              `what was meant was not posted in ${milliseconds} ms; ${posts.length} posts were:\n${others}`,
            ),
          );
        }, milliseconds);
        listeners.add(look);
        look();
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
