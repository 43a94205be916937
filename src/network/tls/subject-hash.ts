// pure
/** Under which name OpenSSL looks for a certificate in a folder of them (`X509_NAME_hash`, openssl-rehash(1)). */
import { createHash } from 'node:crypto';
import { objectId, sequence, set, utf8String } from './der.ts';

const COMMON_NAME = '2.5.4.3';

/** Eight hexadecimal digits, of a subject that is nothing but a common name. In front of `.0` they are a file's name. */
export function subjectHash(commonName: string): string {
  // Names that only differ in case and spaces are the same.
  const canonical = commonName.trim().replaceAll(/\s+/g, ' ').toLowerCase();
  const encoded = set(sequence(objectId(COMMON_NAME), utf8String(canonical)));
  const hash = createHash('sha1').update(encoded).digest();
  return hash.readUInt32LE().toString(16).padStart(8, '0');
}
