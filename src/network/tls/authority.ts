/** A box's own certificate authority. Its key is in this program's memory alone, and never leaves it. */
import { createSecureContext, type SecureContext } from 'node:tls';
import { type Certified, certify, makeAuthority, pemOf } from './certificate.ts';

/** Hosts whose certificates are kept. */
const HOSTS_MAX = 256;

/** See the top of this file. */
export class CertificateAuthority {
  /** Its certificate, for the box to trust. */
  readonly pem: string;
  readonly #authority: Certified;
  readonly #contexts = new Map<string, SecureContext>();

  /** The name is for people who look at certificates. */
  constructor(name: string) {
    this.#authority = makeAuthority(name);
    this.pem = pemOf(this.#authority.certificate);
  }

  /** What a TLS server needs to be taken for this host by the box. */
  contextFor(host: string): SecureContext {
    const known = this.#contexts.get(host);
    if (known !== undefined) return known;
    const { certificate, privateKey } = certify(this.#authority, host);
    const context = createSecureContext({
      cert: pemOf(certificate) + this.pem,
      key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    });
    const oldest = this.#contexts.size >= HOSTS_MAX ? this.#contexts.keys().next().value : null;
    if (typeof oldest === 'string') this.#contexts.delete(oldest);
    this.#contexts.set(host, context);
    return context;
  }
}
