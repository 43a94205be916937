/**
 * The host memory that a tree of processes holds, all counted and nothing twice:
 *
 * - The proportional set size (PSS) of every mapping of every process: private pages in full, a page that
 *   several processes map divided among them. So 20 boxes share one count of the kernel's or QEMU's file.
 * - What lies in a tmpfs file that a process has open (a UML guest's memory, the mailbox) takes memory
 *   whether a process maps it now or not: a page that only a dead stub process touched is in nobody's PSS.
 *   Such a file counts with the blocks it has, once, and its mappings do not count again.
 * - The page tables, which PSS leaves out.
 *
 * Not counted: the kernel's own structures for processes and namespaces, and cached pages of disk files,
 * which the host can drop.
 */
import { readdir, readFile, stat, statfs } from 'node:fs/promises';
import { systemCode } from '../src/base/errors.ts';
import { processTable } from '../src/process/process-table.ts';

/** From Linux's magic.h. */
const TMPFS_MAGIC = 0x01021994;
const SECTOR_BYTES = 512;
const KIB = 1024;

/** Bytes, by what they are. */
export interface TreeMemory {
  readonly processes: number;
  readonly mapped: number;
  readonly tmpfs: number;
  readonly pageTables: number;
}

export function totalBytes({ mapped, tmpfs, pageTables }: TreeMemory): number {
  return mapped + tmpfs + pageTables;
}

/** The memory of a process and of all its descendants. */
export async function treeMemory(root: number): Promise<TreeMemory> {
  const pids = (await processTable.tree(root)).map(({ pid }) => pid);
  const files = new Map<string, number>();
  for (const pid of pids) await collectTmpfsFiles(pid, files);
  let mapped = 0;
  let pageTables = 0;
  for (const pid of pids) {
    const mappings = parseSmaps(await readIfThere(`/proc/${pid}/smaps`));
    for (const { file, pss } of mappings) if (!files.has(file)) mapped += pss;
    pageTables += parseField(await readIfThere(`/proc/${pid}/status`), 'VmPTE');
  }
  const tmpfs = [...files.values()].reduce((sum, bytes) => sum + bytes, 0);
  return { processes: pids.length, mapped, tmpfs, pageTables };
}

/** A process that has ended meanwhile holds nothing. */
async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'latin1');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(systemCode(error) ?? '')) return '';
    throw error;
  }
}

/** Bytes of one process: its share of all it maps, and all of that in full. */
export async function processMemory(pid: number) {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'latin1');
  return { proportional: parseField(text, 'Pss'), resident: parseField(text, 'Rss') };
}

export async function parentOf(pid: number): Promise<number> {
  return Number(/^PPid:\s+(\d+)$/m.exec(await readFile(`/proc/${pid}/status`, 'latin1'))?.[1]);
}

/** Adds what a process has open on a tmpfs, by device and inode, with the bytes allocated to it. */
async function collectTmpfsFiles(pid: number, files: Map<string, number>): Promise<void> {
  for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
    const path = `/proc/${pid}/fd/${fd}`;
    const found = await stat(path).catch(() => null);
    const where = await statfs(path).catch(() => null);
    if (!found?.isFile() || where?.type !== TMPFS_MAGIC) continue;
    files.set(fileKey(found.dev, found.ino), found.blocks * SECTOR_BYTES);
  }
}

/** `stat()` has the device in one number, /proc in two (Linux's kdev_t.h, glibc's sysmacros.h). */
function fileKey(device: number, inode: number): string {
  const major = (device >>> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >>> 12) & 0xfff00);
  return `${hex2(major)}:${hex2(minor)} ${inode}`;
}

function hex2(value: number): string {
  return value.toString(16).padStart(2, '0');
}

/** Each mapping's file, as `major:minor inode`, and its PSS in bytes. */
function parseSmaps(text: string): { file: string; pss: number }[] {
  const mappings: { file: string; pss: number }[] = [];
  let file = '';
  for (const line of text.split('\n')) {
    const head = /^[0-9a-f]+-[0-9a-f]+ \S+ [0-9a-f]+ ([0-9a-f]+:[0-9a-f]+ \d+)/.exec(line);
    if (head !== null) file = head[1] ?? '';
    else if (line.startsWith('Pss:')) mappings.push({ file, pss: parseField(line, 'Pss') });
  }
  return mappings;
}

/** The bytes of a line `Name:   123 kB`; 0 if there is none. */
function parseField(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * KIB;
}
