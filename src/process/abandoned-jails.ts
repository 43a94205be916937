import { basename } from 'node:path';
import { processIdentity } from './identity.ts';
import { entriesOf, linkOf, processIds } from './proc-files.ts';
import type { ProcessEntry } from './process-entry.ts';
import { processTable } from './process-table.ts';
import { killTree } from './tree.ts';

/**
 * Ends every bubblewrap whose outer process has gone while it still has a file below `folder` open: an owner that is
 * killed in the moment in which a jail is made leaves an inner process that nobody has told to die with it, and
 * nobody has recorded. A jail with an outer process is somebody's, and left alone.
 * Looks at every process, so not for a hurry. Does nothing where there is no /proc.
 */
export async function endAbandonedJails(folder: string): Promise<void> {
  for (const holder of processIds().filter((pid) => hasFileBelow(pid, folder))) {
    const inner = await innerJailOf(holder);
    if (inner === null || isJail(inner.parent)) continue;
    const identity = await processIdentity(inner.pid);
    if (identity !== null) await killTree(identity).catch(() => undefined);
  }
}

/** The bubblewrap that began the pid namespace of a process; null if the process is in ours, or in another one. */
async function innerJailOf(pid: number): Promise<ProcessEntry | null> {
  const [entry] = await processTable.some([pid]);
  if (entry === undefined || namespaceOf(pid) === namespaceOf('self')) return null;
  if (entry.parent > 0 && namespaceOf(entry.parent) === namespaceOf(pid)) {
    return innerJailOf(entry.parent);
  }
  return isJail(pid) ? entry : null;
}

function namespaceOf(pid: number | 'self'): string | null {
  return linkOf(`/proc/${pid}/ns/pid`);
}

function isJail(pid: number): boolean {
  return basename(linkOf(`/proc/${pid}/exe`) ?? '') === 'bwrap';
}

/** Also a file that has no name any more, or never had one, has the path of its folder. */
function hasFileBelow(pid: number, folder: string): boolean {
  const files = `/proc/${pid}/fd`;
  return entriesOf(files).some((fd) => linkOf(`${files}/${fd}`)?.startsWith(`${folder}/`));
}
