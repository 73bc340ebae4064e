/**
 * `node test/lab/upstream/main.ts [port]`: the upstream double as a process of its own,
 * default port 8080. HOST: address to listen on, default this machine only. UPSTREAM_API_KEY:
 * the only key that is let in, default every key.
 */
import { startUpstream } from "./server.ts";

const { HOST: host, UPSTREAM_API_KEY: apiKey } = process.env;
const upstream = await startUpstream({
  port: Number(process.argv[2] ?? 8080),
  ...(host !== undefined && { host }),
  ...(apiKey !== undefined && { apiKey }),
});
console.log(`listening at ${upstream.url}`);
process.on("SIGTERM", () => void upstream.close());
