import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { runCommand } from "../../components/provider/host/command.ts";

/** Files in PEM. */
export interface Certificate {
  readonly certificateFile: string;
  readonly keyFile: string;
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/** A certificate authority of a test's own, by the `openssl` command. */
export class CertificateAuthority {
  readonly certificateFile: string;
  readonly #folder: string;
  readonly #keyFile: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.certificateFile = join(folder, "ca.pem");
    this.#keyFile = join(folder, "ca-key.pem");
  }

  /** @param folder is made where it is not there; only we may enter it, for keys are in it */
  static async create(folder: string): Promise<CertificateAuthority> {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const authority = new CertificateAuthority(folder);
    await makeCertificate(authority.certificateFile, authority.#keyFile, "authority of a test", [
      "basicConstraints=critical,CA:TRUE",
      "keyUsage=critical,keyCertSign",
    ]);
    return authority;
  }

  /** @param names what the bearer is reached under, such as `DNS:example.com` and `IP:127.0.0.1` */
  async issue(bearer: string, names: readonly string[] = []): Promise<Certificate> {
    const certificateFile = join(this.#folder, `${bearer}.pem`);
    const keyFile = join(this.#folder, `${bearer}-key.pem`);
    const extensions = [
      "basicConstraints=critical,CA:FALSE",
      "extendedKeyUsage=serverAuth,clientAuth",
      ...(names.length === 0 ? [] : [`subjectAltName=${names.join(",")}`]),
    ];
    const issuer = ["-CA", this.certificateFile, "-CAkey", this.#keyFile];
    await makeCertificate(certificateFile, keyFile, bearer, extensions, issuer);
    return { certificateFile, keyFile };
  }
}

async function makeCertificate(
  certificateFile: string,
  keyFile: string,
  name: string,
  extensions: readonly string[],
  issuer: readonly string[] = [],
): Promise<void> {
  await runCommand(
    "openssl",
    [
      ...["req", "-x509", ...NEW_KEY, "-days", "2", "-subj", `/CN=${name}`, ...issuer],
      ...extensions.flatMap((extension) => ["-addext", extension]),
      ...["-out", certificateFile, "-keyout", keyFile],
    ],
    { environment: process.env },
  );
}
