// pure
/** Ports in one word, as container tools write them. */

import type { PortProtocol } from './box-options.ts';

/** `127.0.0.1:8080`, `[::1]:8080`; a port that is still to be chosen is `any`. */
export function addressText(hostIp: string, hostPort: number | null): string {
  return `${hostIp.includes(':') ? `[${hostIp}]` : hostIp}:${hostPort ?? 'any'}`;
}

/** `0.0.0.0:8080->80/tcp` */
export function portText(port: {
  readonly hostIp: string;
  readonly hostPort: number | null;
  readonly guestPort: number;
  readonly protocol: PortProtocol;
}): string {
  return `${addressText(port.hostIp, port.hostPort)}->${port.guestPort}/${port.protocol}`;
}
