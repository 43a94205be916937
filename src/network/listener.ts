import type { PortMapping } from '../spec/box-spec.ts';
import type { PublishedPort } from '../spec/info.ts';

/** Says who has a port that could not be had; null if that may not be seen. */
export type FindHolder = (port: PortMapping) => Promise<string | null>;

/** A port of a box that the host listens on. */
export interface Listener {
  readonly port: PublishedPort;
  /** Takes nothing new. What is open goes on. Idempotent. */
  stopListening(): Promise<void>;
  /** Ends what is open, too. */
  close(): Promise<void>;
}
