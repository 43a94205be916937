import { statSync } from 'node:fs';
import { entriesOf } from './proc-files.ts';
import { runCommand } from './run.ts';

/**
 * The pids of other processes that have a file open, whoever they are and wherever they came from: the
 * last word on whether a box's disk is in use. Looks at every process, so not for a hurry.
 */
export async function holdersOf(path: string): Promise<number[]> {
  const pids = process.platform === 'linux' ? linuxHolders(path) : await otherHolders(path);
  return pids.filter((pid) => pid !== process.pid);
}

function linuxHolders(path: string): number[] {
  const wanted = fileAt(path);
  if (wanted === null) return [];
  const pids = entriesOf('/proc').filter((name) => /^\d+$/.test(name));
  return pids
    .filter((pid) =>
      entriesOf(`/proc/${pid}/fd`).some((fd) => fileAt(`/proc/${pid}/fd/${fd}`) === wanted),
    )
    .map(Number);
}

async function otherHolders(path: string): Promise<number[]> {
  const { stdout } = await runCommand('/usr/sbin/lsof', ['-t', '--', path]);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map(Number);
}

/** Device and inode, whatever the name it was opened by; null if there is none, or it is not ours to see. */
function fileAt(path: string): string | null {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return null;
  }
}
