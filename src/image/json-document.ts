// pure
/** Reads JSON from strangers: a size limit first, then one checked field after the other. */

import { BoxliteError } from '../base/errors.ts';

/** The members of a JSON object. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** The longest text that is taken from a document or shown in a message. */
const TEXT_CHARS_MAX = 4096;

/**
 * The JSON object that the bytes spell. `what` names the document in messages.
 *
 * @throws BoxliteError `Image`
 */
export function parseJsonObject(bytes: Uint8Array, what: string, maxBytes: number): JsonObject {
  if (bytes.length > maxBytes) {
    throw malformed(what, `it has ${bytes.length} bytes, at most ${maxBytes} are allowed`);
  }
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw malformed(what, 'it is not JSON', error);
  }
  if (!isObject(value)) throw malformed(what, 'it is not a JSON object');
  return value;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An own member; what a prototype has is not in the document. */
export function member(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

/**
 * A text member, or null where it is missing. `path` names it in messages.
 *
 * @throws BoxliteError `Image` if it is something else.
 */
export function optionalText(
  object: JsonObject,
  name: string,
  what: string,
  path = name,
): string | null {
  const value = member(object, name) ?? null;
  if (value === null) return null;
  if (typeof value !== 'string' || value.length > TEXT_CHARS_MAX) {
    throw malformed(what, `"${path}" is not a text of at most ${TEXT_CHARS_MAX} characters`);
  }
  return value;
}

/** A bounded array member. @throws BoxliteError `Image` */
export function arrayMember(
  object: JsonObject,
  name: string,
  what: string,
  maxLength: number,
): readonly unknown[] {
  const value = member(object, name);
  if (!Array.isArray(value)) throw malformed(what, `"${name}" is not an array`);
  if (value.length > maxLength) {
    throw malformed(
      what,
      `"${name}" has ${value.length} entries, at most ${maxLength} are allowed`,
    );
  }
  return value;
}

/** The error for a document that is not what it should be. */
export function malformed(what: string, why: string, cause?: unknown): BoxliteError {
  return new BoxliteError('Image', `Cannot use ${what}: ${why}`, { cause });
}

/** A stranger's text made fit for one line of a terminal. */
export function printable(text: string, maxChars = 300): string {
  const line = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').trim();
  return line.length > maxChars ? `${line.slice(0, maxChars)}...` : line;
}
