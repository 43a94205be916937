import { violation } from './frame.ts';
import { HELLO_MAGIC, type Hello, type JsonObject, type Refusal } from './messages.ts';

const text = new TextEncoder();
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** A control payload's bytes. */
export function encodeJson(message: JsonObject): Uint8Array {
  return text.encode(JSON.stringify(message));
}

/** Reads a control payload. @throws BoxliteError `Portal` unless it is a JSON object. */
export function decodeJson(payload: Uint8Array): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(payload));
  } catch {
    throw violation(`a control message is not JSON (${payload.length} bytes)`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw violation('a control message is not a JSON object');
  }
  return value as JsonObject;
}

/** HELLO's payload: the magic, then what the sender says of itself. */
export function encodeHello(hello: Hello): Uint8Array {
  const json = encodeJson({ ...hello });
  const payload = new Uint8Array(HELLO_MAGIC.length + json.length);
  payload.set(HELLO_MAGIC);
  payload.set(json, HELLO_MAGIC.length);
  return payload;
}

/** Reads HELLO's payload. @throws BoxliteError `Portal` if it is not one. */
export function decodeHello(payload: Uint8Array): Hello {
  if (!HELLO_MAGIC.every((byte, i) => payload[i] === byte)) throw violation('HELLO without magic');
  const json = decodeJson(payload.subarray(HELLO_MAGIC.length));
  return {
    min: wholeNumber(json, 'min', 0xffff),
    max: wholeNumber(json, 'max', 0xffff),
    window: wholeNumber(json, 'window', 0x7fffffff),
    build: shortText(json, 'build'),
  };
}

/** Reads the payload of REJECT, RESET and GOAWAY. */
export function decodeRefusal(payload: Uint8Array): Refusal {
  const json = decodeJson(payload);
  return { code: shortText(json, 'code'), message: shortText(json, 'message') };
}

/** A field that must be a whole number in 0..max. */
export function wholeNumber(json: JsonObject, field: string, max: number): number {
  const value = json[field];
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max) {
    throw violation(`field "${field}" is not a whole number in 0..${max}`);
  }
  return value;
}

/** A field that must be text for people: cut to 1 KiB, control characters made visible. */
export function shortText(json: JsonObject, field: string): string {
  const value = json[field];
  if (typeof value !== 'string') throw violation(`field "${field}" is not text`);
  return printable(value.slice(0, 1024));
}

/** What the guest wrote, safe to show in a terminal. */
export function printable(guestText: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this is about
  return guestText.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, '\ufffd');
}
