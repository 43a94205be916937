// pure
/**
 * An image's configuration (image-spec, config.md; Docker's is the same): what to run in it, and how.
 * It comes from strangers, so every field is checked and bounded.
 */
import type { EnvironmentPair } from '../spec/box-spec.ts';
import {
  isObject,
  type JsonObject,
  malformed,
  member,
  optionalText,
  parseJsonObject,
  printable,
} from './json-document.ts';
import { CONFIG_BYTES_MAX, LAYERS_MAX, type Platform } from './manifest.ts';

/** What an image says about the programs run in it. Nothing said is empty. */
export interface ImageConfig {
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  /** Each name once, the last value. */
  readonly env: readonly EnvironmentPair[];
  /** `name`, `uid`, `name:group` and so on; empty is root. */
  readonly user: string;
  /** Absolute. */
  readonly workingDir: string;
  /** `SIGTERM` or `15`, as written; null if nothing is said. */
  readonly stopSignal: string | null;
  /** Absolute paths that are meant to be volumes. */
  readonly volumes: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/** A whole configuration document. */
export interface ImageDocument {
  readonly config: ImageConfig;
  /** Null where it does not say. */
  readonly platform: Platform | null;
  /** Digests of the uncompressed layers, the lowest first; their form is not checked. */
  readonly diffIds: readonly string[];
}

/** MAX_ARG_STRLEN of Linux: no program could be given a longer argument or variable. */
const TEXT_BYTES_MAX = 131_072;
/** Ample: the largest known configurations have some hundred of anything. */
const ITEMS_MAX = 10_000;
const SHORT_TEXT_CHARS_MAX = 4096;
/** `SIGRTMIN+3` is the longest in use. */
const SIGNAL = /^[A-Z0-9+-]{1,20}$/;

/**
 * The configuration that the bytes spell. `what` names the image in messages.
 * @throws BoxliteError `Image`
 */
export function parseImageDocument(bytes: Uint8Array, what: string): ImageDocument {
  const document = parseJsonObject(bytes, what, CONFIG_BYTES_MAX);
  const config = member(document, 'config') ?? {};
  if (!isObject(config)) throw malformed(what, '"config" is not an object');
  return {
    config: readConfig(config, what),
    platform: readPlatform(document, what),
    diffIds: readDiffIds(document, what),
  };
}

function readConfig(config: JsonObject, what: string): ImageConfig {
  const stopSignal = shortText(config, 'StopSignal', what) || null;
  if (stopSignal !== null && !SIGNAL.test(stopSignal)) {
    throw malformed(what, '"config.StopSignal" is not a signal');
  }
  return {
    entrypoint: texts(config, 'Entrypoint', what),
    cmd: texts(config, 'Cmd', what),
    env: environment(texts(config, 'Env', what)),
    user: shortText(config, 'User', what),
    workingDir: absolute(shortText(config, 'WorkingDir', what)),
    stopSignal,
    volumes: Object.keys(items(config, 'Volumes', what)).map(absolute),
    labels: labels(config, what),
  };
}

function readPlatform(document: JsonObject, what: string): Platform | null {
  const os = optionalText(document, 'os', what) ?? '';
  const architecture = optionalText(document, 'architecture', what) ?? '';
  if (os === '' || architecture === '') return null;
  return { os, architecture, variant: optionalText(document, 'variant', what) || null };
}

function readDiffIds(document: JsonObject, what: string): string[] {
  const rootfs = member(document, 'rootfs');
  const list = isObject(rootfs) ? member(rootfs, 'diff_ids') : null;
  // An image without layers may say null.
  const diffIds: unknown = list ?? [];
  const isList = Array.isArray(diffIds) && diffIds.length <= LAYERS_MAX;
  if (!isList || !diffIds.every((id): id is string => typeof id === 'string')) {
    throw malformed(what, `"rootfs.diff_ids" is not a list of at most ${LAYERS_MAX} digests`);
  }
  return diffIds;
}

/** A list of texts that a program can be given; null and a missing one are empty. */
function texts(config: JsonObject, name: string, what: string): string[] {
  const value = member(config, name) ?? [];
  if (!Array.isArray(value) || value.length > ITEMS_MAX) {
    throw malformed(what, `"config.${name}" is not a list of at most ${ITEMS_MAX} texts`);
  }
  return value.map((item, i) => text(item, `config.${name}[${i}]`, what));
}

function text(value: unknown, path: string, what: string): string {
  if (typeof value !== 'string' || value.includes('\0') || isTooLong(value)) {
    throw malformed(what, `"${path}" is not a text of at most ${TEXT_BYTES_MAX} bytes without NUL`);
  }
  return value;
}

function isTooLong(value: string): boolean {
  return value.length > TEXT_BYTES_MAX || Buffer.byteLength(value) > TEXT_BYTES_MAX;
}

function shortText(config: JsonObject, name: string, what: string): string {
  const value = text(member(config, name) ?? '', `config.${name}`, what);
  if (value.length <= SHORT_TEXT_CHARS_MAX) return value;
  throw malformed(what, `"config.${name}" has more than ${SHORT_TEXT_CHARS_MAX} characters`);
}

/** `NAME=value`. What has no name is left out, as Docker does. */
function environment(lines: readonly string[]): EnvironmentPair[] {
  const values = new Map<string, string>();
  for (const line of lines) {
    const equals = line.indexOf('=');
    if (equals > 0) values.set(line.slice(0, equals), line.slice(equals + 1));
  }
  return [...values];
}

function items(config: JsonObject, name: string, what: string): JsonObject {
  const value = member(config, name) ?? {};
  if (!isObject(value) || Object.keys(value).length > ITEMS_MAX) {
    throw malformed(what, `"config.${name}" is not an object of at most ${ITEMS_MAX} members`);
  }
  for (const key of Object.keys(value)) text(key, `config.${name}`, what);
  return value;
}

function labels(config: JsonObject, what: string): Record<string, string> {
  const found = Object.entries(items(config, 'Labels', what));
  const checked = found.map(([key, value]) => [
    key,
    text(value, `config.Labels.${printable(key)}`, what),
  ]);
  return Object.fromEntries(checked);
}

/** As seen from the root, without `.`, `..`, double or final slashes. */
function absolute(path: string): string {
  const names: string[] = [];
  for (const name of path.split('/')) {
    if (name === '..') names.pop();
    else if (name !== '' && name !== '.') names.push(name);
  }
  return `/${names.join('/')}`;
}
