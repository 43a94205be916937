/** The two kinds of certificate that a box's own authority needs (RFC 5280), with keys on the curve P-256. */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIP } from 'node:net';
import { parseIpAddress } from '../../spec/ip-address.ts';
import {
  bitString,
  boolean,
  explicit,
  implicit,
  integer,
  objectId,
  octetString,
  sequence,
  set,
  time,
  utf8String,
} from './der.ts';

const OID = {
  commonName: '2.5.4.3',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyId: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
} as const;
/** keyCertSign and cRLSign; digitalSignature. Bits count from the left. */
const USAGE_AUTHORITY = bitString(Uint8Array.of(0x06), 1);
const USAGE_SERVER = bitString(Uint8Array.of(0x80), 7);
const SERIAL_BYTES = 16;
const DAY_MS = 86_400_000;
/** A guest's clock may lag. */
const BEFORE_MS = DAY_MS;
/** What clients still take for a server (Apple, of authorities that users add: 825 days). */
const SERVER_MS = 800 * DAY_MS;
const AUTHORITY_MS = 3_650 * DAY_MS;

/** A certificate with its key. */
export interface Certified {
  readonly name: string;
  readonly certificate: Uint8Array;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

/** An authority of that name, which signs itself. */
export function makeAuthority(name: string): Certified {
  const { publicKey, privateKey } = keyPair();
  const keyId = keyIdOf(publicKey);
  const extensions = [
    extension(OID.basicConstraints, sequence(boolean(true), integer(Uint8Array.of(0))), true),
    extension(OID.keyUsage, USAGE_AUTHORITY, true),
    extension(OID.subjectKeyId, octetString(keyId)),
  ];
  const certificate = signed({
    issuer: { name, privateKey },
    subject: name,
    publicKey,
    lifetimeMs: AUTHORITY_MS,
    extensions,
  });
  return { name, certificate, publicKey, privateKey };
}

/** A certificate for a server of that host name or address. */
export function certify(authority: Certified, host: string): Certified {
  const { publicKey, privateKey } = keyPair();
  const authorityKeyId = sequence(implicit(0, keyIdOf(authority.publicKey)));
  const extensions = [
    extension(OID.basicConstraints, sequence(), true),
    extension(OID.keyUsage, USAGE_SERVER, true),
    extension(OID.extendedKeyUsage, sequence(objectId(OID.serverAuth))),
    extension(OID.subjectAltName, sequence(generalName(host))),
    extension(OID.subjectKeyId, octetString(keyIdOf(publicKey))),
    extension(OID.authorityKeyId, authorityKeyId),
  ];
  // A common name is at most 64 characters; nobody reads it any more.
  const certificate = signed({
    issuer: authority,
    subject: host.slice(0, 64),
    publicKey,
    lifetimeMs: SERVER_MS,
    extensions,
  });
  return { name: host, certificate, publicKey, privateKey };
}

/** The text in which programs take a certificate. */
export function pemOf(certificate: Uint8Array): string {
  const lines =
    Buffer.from(certificate)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

interface Contents {
  readonly issuer: Pick<Certified, 'name' | 'privateKey'>;
  readonly subject: string;
  readonly publicKey: KeyObject;
  readonly lifetimeMs: number;
  readonly extensions: readonly Uint8Array[];
}

function signed({ issuer, subject, publicKey, lifetimeMs, extensions }: Contents): Uint8Array {
  const now = Date.now();
  const algorithm = sequence(objectId(OID.ecdsaWithSha256));
  const contents = sequence(
    explicit(0, integer(Uint8Array.of(2))),
    integer(randomBytes(SERIAL_BYTES)),
    algorithm,
    nameOf(issuer.name),
    sequence(time(new Date(now - BEFORE_MS)), time(new Date(now + lifetimeMs))),
    nameOf(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    explicit(3, sequence(...extensions)),
  );
  return sequence(contents, algorithm, bitString(sign('sha256', contents, issuer.privateKey)));
}

function keyPair() {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

/** RFC 5280, 4.2.1.2, by a newer hash. */
function keyIdOf(publicKey: KeyObject): Uint8Array {
  const bytes = publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(bytes).digest().subarray(0, 20);
}

function nameOf(commonName: string): Uint8Array {
  return sequence(set(sequence(objectId(OID.commonName), utf8String(commonName))));
}

function extension(id: string, value: Uint8Array, critical = false): Uint8Array {
  const flag = critical ? [boolean(true)] : [];
  return sequence(objectId(id), ...flag, octetString(value));
}

/** A DNS name or an address. */
function generalName(host: string): Uint8Array {
  if (isIP(host) === 0) return implicit(2, Buffer.from(host, 'latin1'));
  return implicit(7, Uint8Array.from(parseIpAddress(host)?.bytes ?? []));
}
