/** What a box's network refused. */

/** Why something was refused. The message of the event says it in a sentence. */
export type NetworkRefusal =
  /** No rule of `allowNet` allows the name. */
  | 'name-not-allowed'
  /** No rule of `allowNet` allows the address, and no allowed name was resolved to it. */
  | 'address-not-allowed'
  /** UDP goes by address alone. */
  | 'udp-not-allowed'
  /** An allowed name resolves to a private or loopback address, which no address rule allows. */
  | 'private-answer'
  /** Link-local addresses and those of cloud metadata services: never. */
  | 'metadata-address'
  /** Loopback, multicast and other addresses that lead to nobody a box may talk to. */
  | 'unroutable-address'
  /** TLS or HTTP names another host than the one that was resolved. */
  | 'name-mismatch'
  /** TLS does not say which host it is for. */
  | 'name-missing'
  /** TLS hides which host it is for (encrypted client hello). */
  | 'name-hidden'
  /** What looks like TLS or HTTP is neither, or did not come in time. */
  | 'malformed'
  /** A placeholder was sent where its secret does not go. */
  | 'secret-not-allowed'
  /** The certificate of a secret's host could not be verified. */
  | 'certificate-invalid'
  /** A secret's host answered in a way that could not be searched for the secret. */
  | 'response-unreadable'
  /** More was asked for at once than a box may. */
  | 'limit'
  /** That many more refusals than are recorded, in the message. */
  | 'suppressed';

/** Something that a box's network refused. */
export interface NetworkEvent {
  readonly time: Date;
  readonly kind: 'refused';
  readonly reason: NetworkRefusal;
  readonly protocol: 'dns' | 'tcp' | 'udp' | 'tls' | 'http';
  /** `address:port` or `[address]:port`; of `dns`, the name that was asked for. */
  readonly target: string;
  /** The host's name as far as one was told. */
  readonly name: string | null;
  /** What was refused and why, in a sentence. Never contains a secret. */
  readonly message: string;
}
