// pure
/** The files in which Java keeps whom it trusts. They come from a box, and so may be anything. */
import { isJks, withTrustedEntry } from './jks.ts';
import { isPkcs12, withTrustedBag } from './pkcs12.ts';

/**
 * A keystore that trusts `certificate` too, in place of the one that this added earlier. Null if it is none that can
 * be added to.
 */
export function withTrusted(store: Uint8Array, certificate: Uint8Array): Uint8Array | null {
  if (isJks(store)) return withTrustedEntry(store, certificate);
  return isPkcs12(store) ? withTrustedBag(store, certificate) : null;
}
