/** One entry of a cpio archive. */
export interface CpioEntry {
  readonly name: string;
  /** Type and permission bits, as in stat(2). */
  readonly mode: number;
  /** A file's content, a link's target. */
  readonly data?: Uint8Array;
  /** A device node's numbers. */
  readonly device?: readonly [major: number, minor: number];
}

const DIRECTORY = 0o040000;
const FILE = 0o100000;
const LINK = 0o120000;
const CHARACTER = 0o020000;

const text = new TextEncoder();

/** The device nodes every container expects, by name and number (Linux's devices.txt). */
const boxDevices: readonly (readonly [string, number, number])[] = [
  ['null', 1, 3],
  ['zero', 1, 5],
  ['full', 1, 7],
  ['random', 1, 8],
  ['urandom', 1, 9],
  ['tty', 5, 0],
];

const boxLinks: readonly (readonly [string, string])[] = [
  ['fd', '/proc/self/fd'],
  ['stdin', '/proc/self/fd/0'],
  ['stdout', '/proc/self/fd/1'],
  ['stderr', '/proc/self/fd/2'],
  ['ptmx', 'pts/ptmx'],
];

/**
 * The file system a guest starts in: the agent as `/init`, the kernel's modules in the order they go in,
 * the directories the agent mounts on, and in `/box-dev` the nodes it binds over a box's `/dev`.
 */
export function initramfs(agent: Uint8Array, modules: readonly Uint8Array[]): Uint8Array {
  const directories = ['dev', 'proc', 'image', 'disk', 'root', 'modules', 'box-dev'];
  return writeCpio([
    ...directories.map((name) => ({ name, mode: DIRECTORY | 0o755 })),
    { name: 'box-dev/pts', mode: DIRECTORY | 0o755 },
    { name: 'box-dev/shm', mode: DIRECTORY | 0o1777 },
    { name: 'dev/console', mode: CHARACTER | 0o600, device: [5, 1] },
    ...boxDevices.map(([name, major, minor]): CpioEntry => {
      return { name: `box-dev/${name}`, mode: CHARACTER | 0o666, device: [major, minor] };
    }),
    ...boxLinks.map(([name, target]) => {
      return { name: `box-dev/${name}`, mode: LINK | 0o777, data: text.encode(target) };
    }),
    ...modules.map((data, i) => ({ name: `modules/${i}`, mode: FILE | 0o644, data })),
    { name: 'init', mode: FILE | 0o755, data: agent },
  ]);
}

/** A cpio archive in the `newc` format (Linux: Documentation/driver-api/early-userspace). */
export function writeCpio(entries: readonly CpioEntry[]): Uint8Array {
  const parts = entries.flatMap((entry, i) => cpioEntry(entry, i + 1));
  parts.push(...cpioEntry({ name: 'TRAILER!!!', mode: 0 }, 0));
  return Buffer.concat(parts);
}

function cpioEntry(entry: CpioEntry, inode: number): Uint8Array[] {
  const name = text.encode(`${entry.name}\0`);
  const data = entry.data ?? new Uint8Array(0);
  const [major, minor] = entry.device ?? [0, 0];
  const links = (entry.mode & DIRECTORY) === DIRECTORY ? 2 : 1;
  const fields = [
    inode,
    entry.mode,
    0, // uid
    0, // gid
    links,
    0, // mtime: the same input gives the same bytes
    data.length,
    0, // major and minor of the device it was archived from
    0,
    major,
    minor,
    name.length,
    0, // check, which newc does not use
  ];
  const header = text.encode(`070701${fields.map(hex8).join('')}`);
  return [header, name, padding(header.length + name.length), data, padding(data.length)];
}

function hex8(value: number): string {
  return value.toString(16).padStart(8, '0');
}

/** Names and contents are padded to four bytes. */
function padding(length: number): Uint8Array {
  return new Uint8Array((4 - (length % 4)) % 4);
}
