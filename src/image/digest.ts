/** Content digests as OCI writes them: `sha256:` and 64 lower-case hexadecimal digits. */

import { createHash, type Hash } from 'node:crypto';
import { BoxliteError } from '../base/errors.ts';

/** Length of the hexadecimal part, by algorithm: the three that github.com/opencontainers/go-digest has. */
const HEX_CHARS: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 };

export interface DigestParts {
  readonly algorithm: string;
  readonly hex: string;
}

/** The two halves of a digest, or null if `text` is none that can be verified. */
export function parseDigest(text: string): DigestParts | null {
  const colon = text.indexOf(':');
  const algorithm = text.slice(0, Math.max(colon, 0));
  const hex = text.slice(colon + 1);
  if (!Object.hasOwn(HEX_CHARS, algorithm) || hex.length !== HEX_CHARS[algorithm]) return null;
  return /^[0-9a-f]+$/.test(hex) ? { algorithm, hex } : null;
}

/** Whether `text` is a digest that can be verified. */
export function isDigest(text: string): boolean {
  return parseDigest(text) !== null;
}

/** The digest of some bytes, with the algorithm that everybody writes. */
export function sha256Digest(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Whether the bytes have that digest. */
export function matchesDigest(bytes: Uint8Array, digest: string): boolean {
  const verifier = new DigestVerifier(digest);
  verifier.update(bytes);
  return verifier.actual() === digest;
}

/** Computes the digest of a stream with the algorithm that an expected digest names. */
export class DigestVerifier {
  readonly #algorithm: string;
  readonly #hash: Hash;

  /** @throws BoxliteError `Image` if `expected` is no digest that can be verified. */
  constructor(expected: string) {
    const parts = parseDigest(expected);
    if (parts === null) {
      const shown = JSON.stringify(expected.slice(0, 200));
      throw new BoxliteError('Image', `Cannot verify ${shown}: expected a digest, "sha256:..."`);
    }
    this.#algorithm = parts.algorithm;
    this.#hash = createHash(parts.algorithm);
  }

  update(chunk: Uint8Array): void {
    this.#hash.update(chunk);
  }

  /** What the bytes have come to. Ends the computation. */
  actual(): string {
    return `${this.#algorithm}:${this.#hash.digest('hex')}`;
  }
}
