// pure
import { violation } from './frame.ts';
import {
  HELLO_MAGIC,
  type Hello,
  JSON_DEPTH_MAX,
  type JsonObject,
  type Refusal,
  WINDOW_BYTES_MAX,
} from './messages.ts';

/** Characters of a text for people that are looked at. */
const TEXT_CHARACTERS_MAX = 1024;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

const text = new TextEncoder();
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** A control payload's bytes. */
export function encodeJson(message: JsonObject): Uint8Array {
  return text.encode(JSON.stringify(message));
}

/** Reads a control payload. @throws BoxliteError `Portal` unless it is a JSON object. */
export function decodeJson(payload: Uint8Array): JsonObject {
  if (depthOf(payload) > JSON_DEPTH_MAX) {
    throw violation(`a control message is nested more than ${JSON_DEPTH_MAX} deep`);
  }
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

/** How deep brackets are nested, strings aside. What is no JSON gets some number. */
function depthOf(payload: Uint8Array): number {
  let depth = 0;
  let deepest = 0;
  let quoted = false;
  for (let i = 0; i < payload.length; i++) {
    const byte = payload[i];
    if (byte === QUOTE) quoted = !quoted;
    else if (quoted) i += byte === BACKSLASH ? 1 : 0;
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) deepest = Math.max(deepest, ++depth);
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) depth--;
  }
  return deepest;
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
  const hello = {
    min: wholeNumber(json, 'min', 0xffff),
    max: wholeNumber(json, 'max', 0xffff),
    window: wholeNumber(json, 'window', WINDOW_BYTES_MAX),
    build: shortText(json, 'build'),
  };
  if (hello.window === 0) throw violation('HELLO gives no credit');
  return hello;
}

/** The payload of REJECT, RESET and GOAWAY. The message may quote anything: it is made to fit. */
export function encodeRefusal({ code, message }: Refusal): Uint8Array {
  return encodeJson({ code, message: printable(message.slice(0, TEXT_CHARACTERS_MAX)) });
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

/** A field that must be text for people: cut to 1024 characters, control characters made visible. */
export function shortText(json: JsonObject, field: string): string {
  const value = json[field];
  if (typeof value !== 'string') throw violation(`field "${field}" is not text`);
  return printable(value.slice(0, TEXT_CHARACTERS_MAX));
}

/** What the guest wrote, safe to show in a terminal. */
export function printable(guestText: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this is about
  return guestText.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, '\ufffd');
}
