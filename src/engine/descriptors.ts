// pure
import type { Machine } from '../spec/parts.ts';

/** What a VMM opens by descriptor, by the paths that stand for them in its own process. */
export interface DescriptorPaths {
  readonly box: string | null;
  readonly mailbox: string | null;
}

/** The wire is descriptor 3; what else is inherited follows it. */
const FIRST = 4;

/** Which host descriptors the VMM inherits, and what it calls them. `/dev/fd` is there on Linux and macOS. */
export function inheritedDescriptors(machine: Machine): {
  descriptors: readonly number[];
  paths: DescriptorPaths;
} {
  const descriptors: number[] = [];
  const place = (descriptor: number | undefined | null): string | null => {
    if (descriptor === undefined || descriptor === null) return null;
    descriptors.push(descriptor);
    return `/dev/fd/${FIRST + descriptors.length - 1}`;
  };
  const paths = {
    box: place(machine.disks?.box),
    mailbox: place(machine.mailbox),
  };
  return { descriptors, paths };
}
