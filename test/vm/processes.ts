/** What runs on this host, as /proc tells it. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** A process, told apart from a later one that was given the same number. */
export interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  readonly startTime: string;
  readonly name: string;
  readonly state: string;
}

/** The process, or null if it has gone. proc(5): the name may hold anything, so fields count from its end. */
export function readProcess(pid: number): ProcessEntry | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return null;
  }
  const close = text.lastIndexOf(')');
  const fields = text.slice(close + 2).split(' ');
  return {
    pid,
    name: text.slice(text.indexOf('(') + 1, close),
    state: fields[0] ?? '',
    parent: Number(fields[1]),
    startTime: fields[19] ?? '',
  };
}

function allProcesses(): ProcessEntry[] {
  return readdirSync('/proc').flatMap((name) => {
    const found = /^\d+$/.test(name) ? readProcess(Number(name)) : null;
    return found === null ? [] : [found];
  });
}

/** Every process that `root` has started, and that those have started, and so on. */
export function descendants(root: number = process.pid): ProcessEntry[] {
  const all = allProcesses();
  const found = new Set([root]);
  for (let before = 0; before < found.size; ) {
    before = found.size;
    for (const entry of all) if (found.has(entry.parent)) found.add(entry.pid);
  }
  return all.filter((entry) => entry.pid !== root && found.has(entry.pid));
}

/** Whether it is still the same process, and more than a name that waits to be read. */
export function isAlive({ pid, startTime }: ProcessEntry): boolean {
  const now = readProcess(pid);
  return now !== null && now.startTime === startTime && now.state !== 'Z';
}

/** The processes that have a file below `directory` open, whoever their parent is by now. */
export function processesWithFilesIn(directory: string): ProcessEntry[] {
  return allProcesses().filter(
    ({ pid }) => pid !== process.pid && openFiles(pid).some((path) => path.startsWith(directory)),
  );
}

function openFiles(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
  } catch {
    return [];
  }
}

/** The processes that were started with this variable, also those that have opened nothing yet. */
export function processesWithVariable(name: string, value: string): ProcessEntry[] {
  const wanted = `${name}=${value}`;
  return allProcesses().filter(
    ({ pid }) => pid !== process.pid && environment(pid).includes(wanted),
  );
}

function environment(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch {
    return [];
  }
}
