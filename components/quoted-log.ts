/** Lines of a log that are shown. */
const SHOWN_LINES = 15;

/**
 * The end of a container's log as part of an error message: plain text, without empty lines.
 *
 * @param secrets - what must not be shown; of one that is a URL, its password alone neither
 */
export function quoteLog(log: string, secrets: readonly string[]): string {
  const text = log
    .split("\n")
    .map(readMessage)
    .join("\n")
    .replaceAll(/\u001b\[[\d;]*m/g, "");
  return redact(text, secrets)
    .split("\n")
    .map((line) => line.trimEnd())
    .filter((line) => line !== "")
    .slice(-SHOWN_LINES)
    .map((line) => `    ${line}`)
    .join("\n");
}

/** What a line of LiteLLM's JSON log says; any other line as it is. */
function readMessage(line: string): string {
  try {
    const { message } = JSON.parse(line) as { message?: unknown };
    return typeof message === "string" ? message : line;
  } catch {
    return line;
  }
}

function redact(text: string, secrets: readonly string[]): string {
  return (
    secrets
      .flatMap((secret) => [secret, ...findPasswords(secret)])
      .filter((secret) => secret !== "")
      .reduce((rest, secret) => rest.replaceAll(secret, "[secret]"), text)
      // Keys of the gateway's users.
      .replaceAll(/\bsk-[\w-]{8,}/g, "[secret]")
  );
}

function findPasswords(text: string): string[] {
  const password = URL.parse(text)?.password ?? "";
  return [password, decodeURIComponent(password)];
}
