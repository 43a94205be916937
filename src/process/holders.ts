import { statSync } from 'node:fs';
import { entriesOf, processIds } from './proc-files.ts';
import { runCommand } from './run.ts';

/**
 * Those of these files that other processes have open, whoever they are and wherever they came from: the
 * last word on whether a box's disk is in use. Looks at every process, once for all files, so not for a hurry.
 */
export async function heldFiles(paths: readonly string[]): Promise<Set<string>> {
  const byFile = new Map<string, string>();
  for (const path of paths) {
    const file = fileAt(path);
    if (file !== null) byFile.set(file, path);
  }
  if (byFile.size === 0) return new Set();
  return process.platform === 'linux' ? linuxHeld(byFile) : await otherHeld([...byFile.values()]);
}

function linuxHeld(byFile: ReadonlyMap<string, string>): Set<string> {
  const held = new Set<string>();
  for (const pid of processIds()) {
    if (pid === process.pid) continue;
    for (const fd of entriesOf(`/proc/${pid}/fd`)) {
      const path = byFile.get(fileAt(`/proc/${pid}/fd/${fd}`) ?? '');
      if (path !== undefined) held.add(path);
    }
  }
  return held;
}

/** lsof(8), `-F pn`: a line for each process, which begins with p, and one for each of its files, with n. */
async function otherHeld(paths: readonly string[]): Promise<Set<string>> {
  const { stdout } = await runCommand('/usr/sbin/lsof', ['-F', 'pn', '--', ...paths]);
  const held = new Set<string>();
  let pid = 0;
  for (const line of stdout.split('\n')) {
    if (line.startsWith('p')) pid = Number(line.slice(1));
    else if (line.startsWith('n') && pid !== process.pid) held.add(line.slice(1));
  }
  return held;
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
