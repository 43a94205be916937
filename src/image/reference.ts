// pure
/**
 * Image references, parsed exactly as Docker parses them: `alpine` is `docker.io/library/alpine:latest`.
 *
 * The rules are those of ParseNormalizedNamed and TagNameOnly of github.com/distribution/reference.
 */

import { BoxliteError } from '../base/errors.ts';
import {
  canonicalDomain,
  DOCKER_HUB,
  isDomain,
  looksLikeDomain,
  PATH_CHARS_MAX,
  PATH_PATTERN,
  TAG_PATTERN,
} from '../spec/image-name.ts';
import { mistyped } from '../spec/reader.ts';
import { isDigest } from './digest.ts';

/** Where an image is, complete: nothing is left to a default. */
export interface ImageReference {
  /** Host and port: `docker.io`. */
  readonly domain: string;
  /** Without the host: `library/alpine`. */
  readonly path: string;
  /** `latest` if the reference names neither a tag nor a digest. Null if it names only a digest. */
  readonly tag: string | null;
  /** What the image must be; it is looked up by this rather than by its tag. */
  readonly digest: string | null;
}

/** A reference as it was written, before defaults. */
export interface WrittenReference {
  /** Null for a name without a host, which is searched for. */
  readonly domain: string | null;
  readonly path: string;
  readonly tag: string | null;
  readonly digest: string | null;
}

/** Longer than any valid reference: host 259, path 255, tag 128, digest 135 and what joins them. */
const REFERENCE_CHARS_MAX = 1024;
const IDENTIFIER = /^[a-f0-9]{64}$/;
const REMAINDER = new RegExp(`^(${PATH_PATTERN})(?::(${TAG_PATTERN}))?(?:@(.+))?$`);

/**
 * The place a reference means to Docker: a name without a host is on Docker Hub.
 *
 * @throws BoxliteError `InvalidArgument`
 */
export function parseReference(text: string): ImageReference {
  const written = readReference(text);
  return qualify(written, written.domain ?? DOCKER_HUB);
}

/** The canonical text, `docker.io/library/alpine:latest`: parses to the same reference. */
export function formatReference(reference: ImageReference): string {
  const tag = reference.tag === null ? '' : `:${reference.tag}`;
  const digest = reference.digest === null ? '' : `@${reference.digest}`;
  return `${formatRepository(reference)}${tag}${digest}`;
}

/** The reference without tag and digest: `docker.io/library/alpine`. */
function formatRepository(reference: ImageReference): string {
  return `${reference.domain}/${reference.path}`;
}

/**
 * A reference as written, checked but not completed.
 *
 * @throws BoxliteError `InvalidArgument`
 */
export function readReference(text: string): WrittenReference {
  if (typeof text !== 'string') throw mistyped('reference', 'a string', text);
  if (text === '') throw invalid(text, 'it is empty');
  if (text.length > REFERENCE_CHARS_MAX) {
    throw invalid(text, `expected at most ${REFERENCE_CHARS_MAX} characters, got ${text.length}`);
  }
  if (IDENTIFIER.test(text)) {
    throw invalid(text, 'a name cannot be 64 hexadecimal digits; a digest is "name@sha256:..."');
  }
  const { domain, remainder } = splitDomain(text);
  if (domain !== null && !isDomain(domain)) throw invalid(text, `"${domain}" is not a host[:port]`);
  return { domain, ...readRemainder(text, remainder) };
}

/** Completes a reference for one registry. Single-component names get `library/` on Docker Hub. */
export function qualify(written: WrittenReference, domain: string): ImageReference {
  const official = domain === DOCKER_HUB && !written.path.includes('/');
  return completeReference(written, domain, official ? `library/${written.path}` : written.path);
}

/** Puts a written reference at a given place, and gives it the default tag if it needs one. */
export function completeReference(
  written: WrittenReference,
  domain: string,
  path: string,
): ImageReference {
  if (path.length > PATH_CHARS_MAX) {
    throw invalid(path, `expected at most ${PATH_CHARS_MAX} characters after the host`);
  }
  const { digest } = written;
  const tag = written.tag ?? (digest === null ? 'latest' : null);
  return { domain, path, tag, digest };
}

function splitDomain(text: string): { domain: string | null; remainder: string } {
  const slash = text.indexOf('/');
  const first = text.slice(0, Math.max(slash, 0));
  // Without a slash there is no host: "name:5000" is a tag.
  if (slash < 0 || !looksLikeDomain(first)) return { domain: null, remainder: text };
  return { domain: canonicalDomain(first), remainder: text.slice(slash + 1) };
}

function readRemainder(text: string, remainder: string): Omit<WrittenReference, 'domain'> {
  const match = REMAINDER.exec(remainder);
  if (match?.[1] === undefined) {
    const name = /^[^:@]*/.exec(remainder)?.[0] ?? '';
    throw name === name.toLowerCase()
      ? invalid(text, 'expected [host[:port]/]name[:tag][@digest]')
      : invalid(text, `the name "${name}" must be lower case`);
  }
  const [, path, tag = null, digest = null] = match;
  if (digest !== null && !isDigest(digest)) {
    throw invalid(text, 'expected a digest such as "sha256:" and 64 lower-case hexadecimal digits');
  }
  return { path, tag, digest };
}

function invalid(text: string, why: string): BoxliteError {
  const shown = JSON.stringify(text.length > 300 ? `${text.slice(0, 300)}...` : text);
  return new BoxliteError('InvalidArgument', `Invalid image reference ${shown}: ${why}`);
}
