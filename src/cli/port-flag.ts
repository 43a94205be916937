import type { PortProtocol, PortSpec } from '../index.ts';
import { UsageError } from './arguments.ts';

/** `[IP:][HOST:]PORT[/tcp|/udp]`, an IPv6 address in brackets; HOST and PORT may be ranges, `8000-8010`. */
const GRAMMAR =
  /^(?:(?:(?<ip>\[[^\]]*\]|[^:[\]]*):(?=[^:]*:))?(?<host>[\d-]*):)?(?<guest>[\d-]+)(?:\/(?<protocol>\w+))?$/;

const PORT_MAX = 65_535;

/**
 * A port to publish as Docker's `-p` has it, or as many as a range names. Without HOST the host chooses.
 * @throws UsageError
 */
export function portFlag(text: string): PortSpec[] {
  const { ip, host = '', guest = '', protocol = 'tcp' } = GRAMMAR.exec(text)?.groups ?? {};
  const guestPorts = portRange(guest, text);
  const hostPorts = host === '' ? null : portRange(host, text);
  if (protocol !== 'tcp' && protocol !== 'udp') throw wrong(text, 'tcp or udp behind the slash');
  if (hostPorts !== null && hostPorts.length !== guestPorts.length) {
    throw wrong(text, 'as many ports of the host as of the box');
  }
  const address = ip === undefined ? {} : { hostIp: ip.replace(/^\[(.*)\]$/, '$1') };
  return guestPorts.map((guestPort, i) => ({
    guestPort,
    hostPort: hostPorts?.[i] ?? 0,
    protocol: protocol satisfies PortProtocol,
    ...address,
  }));
}

/** `80` or `8000-8010`. */
function portRange(range: string, text: string): number[] {
  const [, first = '', last = first] = /^(\d+)(?:-(\d+))?$/.exec(range) ?? [];
  const [from, to] = [Number(first), Number(last)];
  if (first === '' || from < 1 || to > PORT_MAX || to < from) {
    throw wrong(text, `[IP:][HOST:]PORT[/udp] with ports from 1 to ${PORT_MAX}`);
  }
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

function wrong(text: string, expected: string): UsageError {
  return new UsageError(`--publish: expected ${expected}, got "${text}"`);
}
