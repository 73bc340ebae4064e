/** Takes secrets, and passwords within those that are URLs, out of a text that somebody will read. */
export function redact(text: string, secrets: readonly string[]): string {
  return secrets
    .flatMap((secret) => [secret, ...findPasswords(secret)])
    .filter((secret) => secret !== "")
    .reduce((rest, secret) => rest.replaceAll(secret, "[secret]"), text)
    .replaceAll(/\bsk-[\w-]{8,}/g, "[secret]");
}

function findPasswords(text: string): string[] {
  const password = URL.parse(text)?.password ?? "";
  return [password, decodeURIComponent(password)];
}

/** The end of a container's log as lines of an error message: plain text, without empty lines. */
export function quoteLastLines(log: string, count = 15): string {
  return log
    .split("\n")
    .flatMap((line) => readMessage(line).split("\n"))
    .map((line) => line.replaceAll(/\u001b\[[\d;]*m/g, "").trimEnd())
    .filter((line) => line !== "")
    .slice(-count)
    .map((line) => `    ${line}`)
    .join("\n");
}

/** What a line of LiteLLM's JSON log says; any other line is taken as it is. */
function readMessage(line: string): string {
  try {
    const { message } = JSON.parse(line) as { message?: unknown };
    return typeof message === "string" ? message : line;
  } catch {
    return line;
  }
}
