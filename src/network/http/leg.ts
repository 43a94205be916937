import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { NetworkRefusal } from '../../spec/network-event.ts';
import type { Denial } from '../policy.ts';
import type { Substitution } from '../secrets/substitution.ts';

/** A connection of a box's on which it speaks HTTP, and the one it goes on as. */
export interface HttpLeg {
  readonly guest: Duplex;
  readonly upstream: Socket | TLSSocket;
  /** `https` if both are TLS by now. */
  readonly scheme: 'http' | 'https';
  /** Why a request for this host, null if none is named, may not go this way; null if it may. */
  readonly check: (host: string | null) => Denial | null;
  /** The secrets as they concern a host; null if the box has none. */
  readonly secretsFor: (host: string) => Substitution | null;
  readonly onRefused: (host: string | null, reason: NetworkRefusal, message: string) => void;
}

/** The text a box reads in place of the answer to a request that was refused. */
export function refusalText(message: string): string {
  return `BoxLite refused this request: ${message}\n`;
}

/** Why a request with a placeholder does not go on. */
export function foreignSecret(secret: string, host: string | null): Denial {
  const message = `the placeholder of the secret "${secret}" was sent to "${host}", which is none of its hosts`;
  return { reason: 'secret-not-allowed', message };
}

/** Why an answer is not passed on. */
export function unreadable(coding: string | undefined): string {
  return `the answer comes in the coding "${coding}", which cannot be searched for secrets`;
}
