// pure
/** Which image of an index a box can run. */

import { BoxliteError } from '../base/errors.ts';
import type { Architecture } from '../spec/parts.ts';
import { printable } from './json-document.ts';
import type { ImageIndex, IndexEntry, Platform } from './manifest.ts';

/** Go's names of the architectures, which images use. */
const ARCHITECTURES: Readonly<Record<Architecture, string>> = { x64: 'amd64', arm64: 'arm64' };
/** The variants that every processor of the architecture can run, and that no variant stands for. */
const BASE_VARIANTS: Readonly<Record<string, string>> = { amd64: 'v1', arm64: 'v8' };
const LISTED_MAX = 30;

/** What boxes of an architecture run. */
export function boxPlatform(arch: Architecture): Platform {
  return { os: 'linux', architecture: ARCHITECTURES[arch], variant: null };
}

/** `linux/arm64/v8`. */
function formatPlatform({ os, architecture, variant }: Platform): string {
  return printable([os || '?', architecture || '?', variant].filter(Boolean).join('/'), 60);
}

/** Whether a machine of platform `box` runs programs made for `image`. */
export function runsOn(image: Platform, box: Platform): boolean {
  const { os, architecture } = image;
  return os === box.os && architecture === box.architecture && baseVariant(image);
}

/**
 * The entry to use: the first one made for the box, else the first that does not say what it is for.
 *
 * @throws BoxliteError `Image` that lists what there is.
 */
export function chooseEntry(index: ImageIndex, box: Platform, what: string): IndexEntry {
  const entry =
    index.entries.find(({ platform }) => platform !== null && runsOn(platform, box)) ??
    index.entries.find(({ platform }) => platform === null);
  if (entry !== undefined) return entry;
  throw platformError(
    what,
    box,
    index.entries.map(({ platform }) => platform ?? box),
  );
}

/** The error for an image that exists, but not for the box. */
export function platformError(
  what: string,
  box: Platform,
  available: readonly Platform[],
): BoxliteError {
  // Build attestations are listed as images of an unknown platform.
  const names = new Set(available.filter(({ os }) => os !== 'unknown').map(formatPlatform));
  const listed = [...names].slice(0, LISTED_MAX).join(', ');
  const more = names.size > LISTED_MAX ? ` and ${names.size - LISTED_MAX} more` : '';
  return new BoxliteError(
    'Image',
    `Cannot use ${what}: it is not for ${formatPlatform(box)}, which the box runs;` +
      ` there is: ${listed || 'nothing'}${more}`,
  );
}

function baseVariant({ architecture, variant }: Platform): boolean {
  return variant === null || variant === BASE_VARIANTS[architecture];
}
