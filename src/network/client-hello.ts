// pure
/**
 * The first message of a TLS client (RFC 8446, 4.1.2; RFC 6066, 3), as far as it says which host it is for. It may be
 * cut into any number of records and arrive in any pieces.
 */
import { ByteReader, concat, numberOf } from './bytes.ts';

/** The longest we gather: real ones take 2 KiB, with post-quantum keys. */
const CLIENT_HELLO_BYTES_MAX = 32 * 1024;
export const RECORD_HEADER_BYTES = 5;
const HANDSHAKE_HEADER_BYTES = 4;
const RECORD_BYTES_MAX = 16 * 1024;
/** Some clients cut their hello to hide the name from those on the way: into a few records, not into bytes. */
const RECORDS_MAX = 256;
const MAJOR_VERSION = 3;
export const RECORD_HANDSHAKE = 22;
/** Of change_cipher_spec, and of heartbeat (RFC 6520). */
const RECORD_KINDS = { first: 20, last: 24 } as const;
export const MESSAGE_CLIENT_HELLO = 1;
const EXTENSION_SERVER_NAME = 0;
const EXTENSION_ALPN = 16;
/** RFC 9849, and the encrypted server name that was before it. */
const ENCRYPTED_EXTENSIONS = [0xfe0d, 0xffce];
const NAME_KIND_HOST = 0;

/** What it says. */
export interface ClientHello {
  /** As it was sent, in lower case, without a final dot; null if there is none. */
  readonly serverName: string | null;
  /** Whether there is a second one inside, encrypted, that may name another host. */
  readonly encrypted: boolean;
  /** The protocols it would speak, in its order. */
  readonly protocols: readonly string[];
}

/** `more`: so far it could be one. */
export type ClientHelloReading =
  /** With the number of bytes that its records take. */
  | { readonly kind: 'hello'; readonly hello: ClientHello; readonly bytes: number }
  | { readonly kind: 'more' }
  | { readonly kind: 'malformed' };

const MORE = { kind: 'more' } as const;
const MALFORMED = { kind: 'malformed' } as const;

/** Whether a server could take these first bytes for TLS; null if there are too few to tell. */
export function looksLikeTls(bytes: Uint8Array): boolean | null {
  const first = bytes[0];
  if (first === undefined) return null;
  // Also an alert or another record: servers let some pass before the hello.
  const record = first >= RECORD_KINDS.first && first <= RECORD_KINDS.last;
  // The hello of SSL 2, which servers of TLS 1.2 still understand, and which has no place for a name.
  const old = (first & 0x80) !== 0;
  if (record) return beginsWith(bytes.subarray(1), [MAJOR_VERSION]);
  return old && beginsWith(bytes.subarray(2), [MESSAGE_CLIENT_HELLO, MAJOR_VERSION]);
}

/** Null if there are too few bytes to tell. */
function beginsWith(bytes: Uint8Array, wanted: readonly number[]): boolean | null {
  if (wanted.some((byte, i) => bytes[i] !== undefined && bytes[i] !== byte)) return false;
  return bytes.length < wanted.length ? null : true;
}

/** Reads a message's records, at the beginning of which `bytes` are. What comes behind it is not looked at. */
export function readClientHello(bytes: Uint8Array): ClientHelloReading {
  const parts: Uint8Array[] = [];
  let gathered = 0;
  let wanted: number | null = null;
  for (let offset = 0; offset < bytes.length; ) {
    if (bytes[offset] !== RECORD_HANDSHAKE) return MALFORMED;
    const start = offset + RECORD_HEADER_BYTES;
    if (start > bytes.length) break;
    const length = numberOf(bytes.subarray(start - 2, start));
    // An empty one would let a client send for ever and say nothing.
    if (length === 0 || length > RECORD_BYTES_MAX) return MALFORMED;
    offset = start + length;
    const part = bytes.subarray(start, offset);
    // All are read again with each byte that comes.
    if (parts.length === RECORDS_MAX) return MALFORMED;
    if (gathered === 0 && part.length > 0 && part[0] !== MESSAGE_CLIENT_HELLO) return MALFORMED;
    parts.push(part);
    gathered += part.length;
    if (wanted === null && gathered >= HANDSHAKE_HEADER_BYTES) {
      wanted =
        HANDSHAKE_HEADER_BYTES + numberOf(concat(...parts).subarray(1, HANDSHAKE_HEADER_BYTES));
      if (wanted > CLIENT_HELLO_BYTES_MAX) return MALFORMED;
    }
    if (wanted === null || gathered < wanted) continue;
    // No client says anything more before it has heard of the server, least of all in the same record.
    const hello =
      gathered > wanted ? null : parseHello(concat(...parts).subarray(HANDSHAKE_HEADER_BYTES));
    return hello === null ? MALFORMED : { kind: 'hello', hello, bytes: offset };
  }
  return bytes.length > CLIENT_HELLO_BYTES_MAX ? MALFORMED : MORE;
}

function parseHello(body: Uint8Array): ClientHello | null {
  const reader = new ByteReader(body);
  // Version and random; then session, cipher suites and compression methods.
  reader.take(2 + 32);
  for (const lengthBytes of [1, 2, 1]) reader.vector(lengthBytes);
  const hello = { serverName: null as string | null, encrypted: false, protocols: [] as string[] };
  const extensions = new ByteReader(reader.left === 0 ? new Uint8Array() : reader.vector(2));
  const seen = new Set<number>();
  while (extensions.left > 0 && !extensions.failed) {
    const kind = extensions.number(2);
    const data = extensions.vector(2);
    // Readers differ in which of two counts.
    if (seen.has(kind)) return null;
    seen.add(kind);
    if (ENCRYPTED_EXTENSIONS.includes(kind)) hello.encrypted = true;
    if (kind === EXTENSION_ALPN) hello.protocols = parseProtocols(data);
    if (kind !== EXTENSION_SERVER_NAME) continue;
    hello.serverName = parseServerName(data);
    if (hello.serverName === null) return null;
  }
  return reader.failed || reader.left > 0 || extensions.failed ? null : hello;
}

/** The one host name of the extension; null if it has none, several, or one of odd letters. */
function parseServerName(data: Uint8Array): string | null {
  const outer = new ByteReader(data);
  const names = new ByteReader(outer.vector(2));
  const kind = names.number(1);
  const name = String.fromCharCode(...names.vector(2).subarray(0, 256));
  if (outer.failed || outer.left > 0 || names.failed || names.left > 0) return null;
  if (kind !== NAME_KIND_HOST || !/^[a-zA-Z0-9._:-]{1,255}$/.test(name)) return null;
  return name.toLowerCase().replace(/\.$/, '');
}

function parseProtocols(data: Uint8Array): string[] {
  const list = new ByteReader(new ByteReader(data).vector(2));
  const protocols: string[] = [];
  while (list.left > 0 && !list.failed) protocols.push(String.fromCharCode(...list.vector(1)));
  return protocols;
}
