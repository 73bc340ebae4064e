import type { ExistingPlan } from "../../stacks/plan/plan.ts";
import { judge, readReason } from "../provider/access/api-failure.ts";
import { judgeConnection } from "../provider/access/connection-failure.ts";
import { type GatewayLink, openLink } from "../provider/access/gateway-link.ts";
import { withoutSudo } from "../provider/ssh/connection.ts";
import { closeSessions } from "../provider/ssh/session.ts";
import type { Answer } from "../proxy-client.ts";

/** For the gateway to answer. */
const PATIENCE_SECONDS = 15;
const ADMIN_ONLY = /only (?:proxy )?admin/i;

/**
 * What the gateway says that no waiting mends. One that does not answer is no obstacle: a preview goes by
 * the state then, and a deployment waits for it. One behind a machine whose host key is still to be learnt
 * is left to the deployment itself.
 */
export async function findGatewayObstacles(
  plan: ExistingPlan,
  masterKey: string,
): Promise<string[]> {
  const { proxyUrl: url, connectAddress, certificateAuthority, machine } = plan;
  const gateway = { url, connectAddress, certificateAuthority };
  if (machine === undefined) return askThrough(await openLink(gateway), url, masterKey);
  if (machine.hostKey === "learn") return [];
  const connection = withoutSudo(machine);
  try {
    return await askThrough(await openLink({ ...gateway, machine: connection }), url, masterKey);
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  } finally {
    await closeSessions();
  }
}

async function askThrough(link: GatewayLink, url: string, masterKey: string): Promise<string[]> {
  const ask = (path: string, key: string | null): Promise<Answer> =>
    link.client.request(`${link.prefix}${path}`, {
      key,
      timeoutMilliseconds: PATIENCE_SECONDS * 1000,
    });
  try {
    return await findObstacles(ask, url, masterKey);
  } catch (error) {
    const fault = error as NodeJS.ErrnoException;
    if (!(judgeConnection(fault, { name: "", url }, PATIENCE_SECONDS) instanceof Error)) return [];
    return [
      `${url} has no TLS that is trusted here: ${fault.message} (${fault.code ?? ""}); name its certificate authority: ` +
        "pulumi config set --path deployment.certificateAuthorityFile <file>, or correct the URL: pulumi config set --path deployment.url <url>",
    ];
  } finally {
    await link.close();
  }
}

/** @param url as the user knows it */
async function findObstacles(
  ask: (path: string, key: string | null) => Promise<Answer>,
  url: string,
  masterKey: string,
): Promise<string[]> {
  const readiness = await ask("/health/readiness", null);
  if (isTrouble(readiness, url)) return [];
  const { db } = (readiness.json ?? {}) as { readonly db?: unknown };
  if (typeof db !== "string") return [describeStranger(url, readiness)];
  if (db !== "connected") {
    return [
      `the gateway at ${url} has no database (its readiness says "${db}"), and without one there are no teams, users and keys; ` +
        "give it DATABASE_URL, or name another gateway: pulumi config set --path deployment.url <url>",
    ];
  }
  // Unlike `/key/list`, it is refused to all who are no admin.
  const answer = await ask("/user/list?page_size=1", masterKey);
  if (answer.status < 300 || isTrouble(answer, url)) return [];
  const mend = "pulumi config set --secret masterKey";
  if (ADMIN_ONLY.test(answer.text)) {
    return [
      `masterKey is a key of the gateway at ${url} that may not manage it: only the master key may, or a key of a user who is proxy_admin; set that one: ${mend}`,
    ];
  }
  return [
    answer.status === 401
      ? `masterKey is no key of the gateway at ${url}; set its master key: ${mend}`
      : describeStranger(url, answer),
  ];
}

/** Whether the answer may be another one soon. */
function isTrouble(answer: Answer, url: string): boolean {
  const verdict = judge(answer, { name: "", url });
  return verdict !== undefined && !(verdict instanceof Error);
}

function describeStranger(url: string, answer: Answer): string {
  return (
    `${url} does not answer as LiteLLM does (${answer.status}: ${readReason(answer).slice(0, 100)}); ` +
    `see what is there: curl ${url}/health/readiness, or name the gateway: pulumi config set --path deployment.url <url>`
  );
}
