import { z } from "zod";

/** A container image by name, tag and digest. */
interface ImageReference {
  /** Registry and repository: `ghcr.io/berriai/litellm`. */
  readonly repository: string;
  readonly tag: string | undefined;
  /** `sha256:` and 64 hexadecimal digits. */
  readonly digest: string | undefined;
}

const NAME = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
/** The grammar of https://github.com/distribution/reference, without names that are image ids. */
const REFERENCE = new RegExp(
  `^((?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?${NAME}(?:/${NAME})*)` +
    "(?::([A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$",
);

/** Parts of an image's name; undefined for a text that is none. */
export function parseImage(text: string): ImageReference | undefined {
  const match = REFERENCE.exec(text);
  if (match?.[1] === undefined) return undefined;
  return { repository: match[1], tag: match[2], digest: match[3] };
}

/**
 * Whether the name may stand for another image tomorrow: without a digest, and with a tag that tells no
 * version (`latest`, `main-stable`, none at all). `postgres:16` tells one: minor releases are wanted.
 */
export function isMoving(text: string): boolean {
  const image = parseImage(text);
  return image?.digest === undefined && !/\d/.test(image?.tag ?? "");
}

/** The name of an image, as `docker pull` takes it. */
export function image() {
  return z
    .string()
    .refine(
      (text) => parseImage(text) !== undefined,
      "must be the name of an image: [registry/]repository:tag[@sha256:digest]",
    );
}
