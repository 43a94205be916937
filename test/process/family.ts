/** A real tree of processes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { processIdentity } from '../../src/process/identity.ts';
import type { ProcessIdentity } from '../../src/spec/process-identity.ts';

/** What each generation does: says who it is, and has the next one if there is to be one. */
const SCRIPT = `
  echo $$
  if [ "$1" -gt 0 ]; then sh -c "$0" "$0" $(($1 - 1)) & fi
  exec sleep 60
`;

/** Ends a child and what it has left in its process group. */
export function killGroup(child: ChildProcess): void {
  try {
    process.kill(-(child.pid ?? 0), 'SIGKILL');
  } catch {
    // All have ended.
  }
}

/** Starts so many generations, each one process with one child. They end with the test. */
export async function family(
  t: TestContext,
  generations: number,
): Promise<{ root: ProcessIdentity; members: number[] }> {
  const child = spawn('sh', ['-c', SCRIPT, SCRIPT, String(generations - 1)], { detached: true });
  t.after(() => killGroup(child));
  const members: number[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    members.push(Number(line));
    if (members.length === generations) break;
  }
  const root = await processIdentity(members[0] ?? 0);
  if (root === null) throw new Error('the family has died out');
  return { root, members };
}
