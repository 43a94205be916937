/** A box's own certificate authority. Its key is in this program's memory alone, and never leaves it. */
import { type Certified, certify, makeAuthority, pemOf } from './certificate.ts';

/** Hosts whose certificates are kept. */
const HOSTS_MAX = 256;

/** What a TLS server shows of itself, and proves it with. */
export interface ServerIdentity {
  readonly cert: string;
  readonly key: string;
}

/** See the top of this file. */
export class CertificateAuthority {
  /** Its certificate, for the box to trust, as text and as it is. */
  readonly pem: string;
  readonly certificate: Uint8Array;
  /** For people who look at certificates; it is all of the certificate's subject. */
  readonly name: string;
  readonly #authority: Certified;
  readonly #identities = new Map<string, ServerIdentity>();

  constructor(name: string) {
    this.name = name;
    this.#authority = makeAuthority(name);
    this.certificate = this.#authority.certificate;
    this.pem = pemOf(this.certificate);
  }

  /** What a TLS server needs to be taken for this host by the box. */
  identityFor(host: string): ServerIdentity {
    const known = this.#identities.get(host);
    if (known !== undefined) return known;
    const { certificate, privateKey } = certify(this.#authority, host);
    const identity = {
      cert: pemOf(certificate) + this.pem,
      key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
    };
    const oldest = this.#identities.size >= HOSTS_MAX ? this.#identities.keys().next().value : null;
    if (typeof oldest === 'string') this.#identities.delete(oldest);
    this.#identities.set(host, identity);
    return identity;
  }
}
