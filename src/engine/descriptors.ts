// pure
import type { Inherited, Machine } from '../spec/parts.ts';

/** What a VMM has by descriptor: disks by the paths that stand for them in its own process. */
export interface DescriptorPaths {
  readonly box: string | null;
  readonly mailbox: string | null;
  /** The number of the socket for a snapshot, or for the monitor that makes one. */
  readonly snapshot: number | null;
}

/** The wire is descriptor 3; what else is inherited follows it. */
const FIRST = 4;

/** What the VMM inherits, and what it calls it. `/dev/fd` is there on Linux and macOS. */
export function inheritedDescriptors(machine: Machine): {
  descriptors: readonly Inherited[];
  paths: DescriptorPaths;
} {
  const descriptors: Inherited[] = [];
  const number = (inherited: Inherited | undefined | null): number | null => {
    if (inherited === undefined || inherited === null) return null;
    descriptors.push(inherited);
    return FIRST + descriptors.length - 1;
  };
  const path = (descriptor: number | undefined | null): string | null => {
    const inside = number(descriptor);
    return inside === null ? null : `/dev/fd/${inside}`;
  };
  const paths = {
    box: path(machine.disks?.box),
    mailbox: path(machine.mailbox),
    snapshot: number(machine.snapshot === undefined ? null : 'socket'),
  };
  return { descriptors, paths };
}
