import { portHolder } from '../process/port-holder.ts';
import type { PortMapping } from '../spec/box-spec.ts';
import { overlap } from '../spec/ip-address.ts';
import type { BoxRow } from '../store/box-row.ts';

/** Who has a port that a box was to have: another box, or some process; null if that may not be seen. */
export function describeHolder(port: PortMapping, running: readonly BoxRow[]): string | null {
  const { hostIp, hostPort, protocol } = port;
  if (hostPort === null) return null;
  const box = running.find(({ ports }) =>
    ports.some(
      (other) =>
        other.hostPort === hostPort && other.protocol === protocol && overlap(other.hostIp, hostIp),
    ),
  );
  if (box !== undefined) return `the box ${box.name ?? box.id}`;
  const holder = portHolder({ hostIp, hostPort, protocol });
  return holder === null ? null : `"${holder.name}" (process ${holder.pid})`;
}
