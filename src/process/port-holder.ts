import { overlap } from '../spec/ip-address.ts';
import { entriesOf, linkOf, processIds, textOf } from './proc-files.ts';
import { listeningSockets } from './socket-table.ts';

/** A process that listens on a port. */
export interface PortHolder {
  readonly pid: number;
  /** As `ps` shows it. */
  readonly name: string;
}

/**
 * The process that keeps others from listening on a port of this host. Null where that may not be seen, as for the
 * processes of another user. Looks at every process, so not for a hurry.
 */
export function portHolder(port: {
  readonly hostIp: string;
  readonly hostPort: number;
  readonly protocol: 'tcp' | 'udp';
}): PortHolder | null {
  const tables = [port.protocol, `${port.protocol}6`].map((name) => textOf(`/proc/net/${name}`));
  const links = tables
    .flatMap((table) => listeningSockets(table ?? ''))
    .filter((socket) => socket.port === port.hostPort && overlap(socket.address, port.hostIp))
    .map(({ inode }) => `socket:[${inode}]`);
  if (links.length === 0) return null;
  const pid = processIds().find((each) =>
    entriesOf(`/proc/${each}/fd`).some((fd) =>
      links.includes(linkOf(`/proc/${each}/fd/${fd}`) ?? ''),
    ),
  );
  if (pid === undefined) return null;
  return { pid, name: (textOf(`/proc/${pid}/comm`) ?? '').trim() };
}
