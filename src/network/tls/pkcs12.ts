// pure
/** Keystores of PKCS #12 (RFC 7292) without a password, in which JDKs have trusted certificates since version 18. */
import { bmpString, explicit, objectId, octetString, sequence, set } from './der.ts';
import { type Element, elementsOf } from './der-reader.ts';

const OID = {
  data: '1.2.840.113549.1.7.1',
  certificateBag: '1.2.840.113549.1.12.10.1.3',
  certificate: '1.2.840.113549.1.9.22.1',
  friendlyName: '1.2.840.113549.1.9.20',
  /** Java's own. Without it Java takes a certificate for part of somebody's chain. */
  trustedUsage: '2.16.840.1.113894.746875.1.1',
  anyUsage: '2.5.29.37.0',
} as const;
const TAG_SEQUENCE = 0x30;
const TAG_OCTET_STRING = 0x04;
/** How we know ours again. */
const NAME = sequence(objectId(OID.friendlyName), set(bmpString('boxlite')));

export function isPkcs12(store: Uint8Array): boolean {
  return store[0] === TAG_SEQUENCE;
}

/** The keystore with one more trusted certificate, which replaces ours; null if it has a password or is broken. */
export function withTrustedBag(store: Uint8Array, certificate: Uint8Array): Uint8Array | null {
  // PFX: version, what is in it, and with a password the proof that it is whole, which we could not give.
  const [pfx, ...behind] = elementsOf(store) ?? [];
  const [version, info, proof] = pfx === undefined ? [] : (elementsOf(pfx.content) ?? []);
  const data = info === undefined ? null : dataIn(info);
  const [safe] = data === null ? [] : (elementsOf(data) ?? []);
  const bags = safe === undefined ? null : elementsOf(safe.content);
  if (behind.length > 0 || version === undefined || proof !== undefined || bags === null)
    return null;
  const own = dataInfo(sequence(trustedBag(certificate)));
  const kept = bags.filter((bag) => !isOurs(bag)).map(({ whole }) => whole);
  return sequence(version.whole, dataInfo(sequence(...kept, own)));
}

function trustedBag(certificate: Uint8Array): Uint8Array {
  const bag = sequence(objectId(OID.certificate), explicit(0, octetString(certificate)));
  const usage = sequence(objectId(OID.trustedUsage), set(objectId(OID.anyUsage)));
  return sequence(objectId(OID.certificateBag), explicit(0, bag), set(NAME, usage));
}

/** ContentInfo with plain data in it. */
function dataInfo(data: Uint8Array): Uint8Array {
  return sequence(objectId(OID.data), explicit(0, octetString(data)));
}

/** The data of a ContentInfo; null if it has something else. */
function dataIn({ content }: Element): Uint8Array | null {
  const [kind, wrapped] = elementsOf(content) ?? [];
  if (
    kind === undefined ||
    wrapped === undefined ||
    !Buffer.from(kind.whole).equals(objectId(OID.data))
  ) {
    return null;
  }
  const [data] = elementsOf(wrapped.content) ?? [];
  return data?.tag === TAG_OCTET_STRING ? data.content : null;
}

/** Whether it is what this added earlier: one bag, with our name. */
function isOurs(info: Element): boolean {
  const [safe] = elementsOf(dataIn(info) ?? new Uint8Array()) ?? [];
  const [bag, ...more] = safe === undefined ? [] : (elementsOf(safe.content) ?? []);
  return (
    bag !== undefined && more.length === 0 && Buffer.from(bag.whole).includes(Buffer.from(NAME))
  );
}
