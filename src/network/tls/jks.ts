// pure
/** Java's own format of keystores, in which JDKs up to version 17 and Linux distributions have trusted certificates. */
import { createHash } from 'node:crypto';
import { ByteReader, concat } from '../bytes.ts';

const MAGIC = 0xfeedfeed;
const VERSION = 2;
const PRIVATE_KEY = 1;
const CERTIFICATE = 2;
const ALIAS = 'boxlite';
/** Protects nothing: it is the same everywhere, and not even asked for by readers of trusted certificates. */
const PASSWORD = 'changeit';
/** What is hashed between the password and the file, for reasons of 1996. */
const SALT = 'Mighty Aphrodite';
const HASH_BYTES = 20;
/** More than any keystore has: JDKs come with some 150. */
const ENTRIES_MAX = 10_000;
const TIME_BYTES = 8;

interface Entry {
  readonly alias: string;
  /** All of it. */
  readonly bytes: Uint8Array;
}

export function isJks(store: Uint8Array): boolean {
  return new ByteReader(store).number(4) === MAGIC;
}

/** The keystore with one more trusted certificate, which replaces ours; null if the keystore is broken. */
export function withTrustedEntry(store: Uint8Array, certificate: Uint8Array): Uint8Array | null {
  const entries = entriesOf(store);
  if (entries === null) return null;
  const kept = entries.filter(({ alias }) => alias !== ALIAS).map(({ bytes }) => bytes);
  // The time of its making is of no use to anybody, and left zero.
  const time = new Uint8Array(TIME_BYTES);
  const head = concat(uint32(CERTIFICATE), text(ALIAS), time, text('X.509'));
  const own = concat(head, uint32(certificate.length), certificate);
  const count = uint32(kept.length + 1);
  const contents = concat(uint32(MAGIC), uint32(VERSION), count, ...kept, own);
  const password = Buffer.from(PASSWORD, 'utf16le').swap16();
  const hash = createHash('sha1').update(password).update(SALT).update(contents);
  return concat(contents, hash.digest());
}

/** All entries, each with its own bytes; null if the file is not what it says. */
function entriesOf(store: Uint8Array): Entry[] | null {
  const reader = new ByteReader(store.subarray(0, -HASH_BYTES));
  const [, version, count] = [reader.number(4), reader.number(4), reader.number(4)];
  if (version !== VERSION || count > ENTRIES_MAX) return null;
  const entries: Entry[] = [];
  for (let left = count; left > 0 && !reader.failed; left--) {
    const start = reader.offset;
    const kind = reader.number(4);
    const alias = Buffer.from(reader.vector(2)).toString('utf8');
    reader.take(TIME_BYTES);
    if (kind === PRIVATE_KEY) reader.vector(4);
    else if (kind !== CERTIFICATE) return null;
    for (let more = kind === PRIVATE_KEY ? reader.number(4) : 1; more > 0; more--) {
      reader.vector(2);
      reader.vector(4);
      if (reader.failed) return null;
    }
    entries.push({ alias, bytes: store.subarray(start, reader.offset) });
  }
  return reader.failed || reader.left > 0 ? null : entries;
}

function uint32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** With its length, as Java's `writeUTF` has it. */
function text(value: string): Uint8Array {
  return concat(Uint8Array.of(0, value.length), Buffer.from(value));
}
