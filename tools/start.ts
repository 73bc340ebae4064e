/**
 * `npm start [stack]`: deploys a stack, default `dev`, and says how to use it.
 * A short cut for `pulumi up`.
 */
import { chooseStack, openPulumi } from "./stack.ts";

const stack = chooseStack(process.argv.slice(2));
const pulumi = await openPulumi();
for (const command of [
  ["stack", "select", "--create", stack],
  ["up", "--yes", "--stack", stack, "--suppress-outputs"],
]) {
  const exitCode = await pulumi.run(...command);
  if (exitCode !== 0) {
    process.exit(exitCode);
  }
}
const outputs = JSON.parse(
  await pulumi.read("stack", "output", "--json", "--stack", stack),
) as Record<string, string>;
const readSecret = (name: string): string =>
  `$(npm run -s pulumi -- stack output ${name} --show-secrets --stack ${stack})`;
const { proxyUrl = "", openaiBaseUrl = "", uiUrl = "", uiUsername } = outputs;
const login =
  uiUsername === undefined
    ? ""
    : `  (user ${uiUsername}, password: npm run -s pulumi -- stack output uiPassword --show-secrets --stack ${stack})`;

console.log(`
gateway   ${proxyUrl}
OpenAI    ${openaiBaseUrl}
UI        ${uiUrl}${login}

curl -s ${openaiBaseUrl}/models -H "Authorization: Bearer ${readSecret("masterKey")}"
`);
