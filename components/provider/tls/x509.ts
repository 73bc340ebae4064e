import { createPrivateKey, createPublicKey, webcrypto } from "node:crypto";
import { isIP } from "node:net";

import type { X509Certificate } from "@peculiar/x509";

/** What a certificate is made of, in PEM. */
export interface KeyAndCertificate {
  readonly privateKey: string;
  readonly certificate: string;
  /** End of its validity, ISO 8601. */
  readonly notAfter: string;
}

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

const MILLISECONDS_PER_DAY = 24 * 60 * 60 * 1000;

/** A certificate is valid a little before it was made: not every clock is right. */
const BACKDATED_MILLISECONDS = 10 * 60 * 1000;

/** Costs a tenth of a second, so only those who make a certificate load it. */
async function loadLibrary() {
  await import("reflect-metadata"); // for the library's dependency injection; to be there first
  return import("@peculiar/x509");
}

/**
 * A certificate authority that signs itself and nothing but end certificates.
 *
 * @param privateKey - of an earlier certificate of the same authority: what that key has signed stays valid
 */
export async function createAuthority(
  commonName: string,
  validityDays: number,
  privateKey?: string,
): Promise<KeyAndCertificate> {
  const x509 = await loadLibrary();
  const keys = privateKey === undefined ? await generateKeys() : await importKeys(privateKey);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [commonName] }],
    keys,
    signingAlgorithm: ALGORITHM,
    ...planValidity(validityDays),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return describe(keys.privateKey, [certificate]);
}

/**
 * A server's certificate with a key of its own.
 *
 * @param names - DNS names, `*.` in front allowed, and IP addresses
 */
export async function issueCertificate(
  authority: Pick<KeyAndCertificate, "privateKey" | "certificate">,
  names: readonly string[],
  validityDays: number,
): Promise<KeyAndCertificate> {
  const x509 = await loadLibrary();
  const issuer = new x509.X509Certificate(authority.certificate);
  const { privateKey: signingKey } = await importKeys(authority.privateKey);
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.create({
    subject: [{ CN: [names[0] ?? ""] }],
    issuer: issuer.subjectName,
    publicKey: keys.publicKey,
    signingKey,
    signingAlgorithm: ALGORITHM,
    ...planValidity(validityDays),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isIP(value) === 0 ? "dns" : "ip", value })),
      ),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  if (!(await certificate.verify({ publicKey: issuer.publicKey, signatureOnly: true }))) {
    throw new Error(
      "the key of the certificate authority does not belong to its certificate; give both of one authority",
    );
  }
  return describe(keys.privateKey, [certificate, issuer]);
}

/** Whether a certificate has no more than so many days left. */
export function isDue(notAfter: string, days: number): boolean {
  return Date.parse(notAfter) - Date.now() <= days * MILLISECONDS_PER_DAY;
}

function planValidity(days: number): { notBefore: Date; notAfter: Date } {
  const now = Date.now();
  return {
    notBefore: new Date(now - BACKDATED_MILLISECONDS),
    notAfter: new Date(now + days * MILLISECONDS_PER_DAY),
  };
}

const generateKeys = (): Promise<webcrypto.CryptoKeyPair> =>
  webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);

/** Both keys of a private key in PEM. An error does not quote it. */
async function importKeys(pem: string): Promise<webcrypto.CryptoKeyPair> {
  try {
    const key = createPrivateKey(pem);
    const pkcs8 = key.export({ type: "pkcs8", format: "der" });
    const spki = createPublicKey(key).export({ type: "spki", format: "der" });
    return {
      privateKey: await webcrypto.subtle.importKey("pkcs8", pkcs8, ALGORITHM, true, ["sign"]),
      publicKey: await webcrypto.subtle.importKey("spki", spki, ALGORITHM, true, ["verify"]),
    };
  } catch {
    throw new Error(
      "the private key of the certificate authority cannot be read: a key of curve P-256 in PEM is needed",
    );
  }
}

async function describe(
  key: webcrypto.CryptoKey,
  chain: readonly [X509Certificate, ...X509Certificate[]],
): Promise<KeyAndCertificate> {
  const { PemConverter } = await loadLibrary();
  return {
    privateKey: `${PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY")}\n`,
    certificate: chain.map((certificate) => `${certificate.toString("pem")}\n`).join(""),
    notAfter: chain[0].notAfter.toISOString(),
  };
}
