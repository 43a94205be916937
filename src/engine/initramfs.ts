// pure
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

/** Of a box's `/dev`, its nodes, and the files that are laid over its image's. */
const boxDirectories = ['box-dev', 'box-dev/pts', 'box-dev/mqueue', 'box-nodes', 'box-files'];

const boxLinks: readonly (readonly [string, string])[] = [
  ['fd', '/proc/self/fd'],
  ['stdin', '/proc/self/fd/0'],
  ['stdout', '/proc/self/fd/1'],
  ['stderr', '/proc/self/fd/2'],
  ['ptmx', 'pts/ptmx'],
  ['core', '/proc/kcore'],
];

/**
 * The file system a guest starts in: the agent as `/init`, the kernel's modules in the order they go in,
 * the directories the agent mounts on, in `/box-dev` a box's `/dev`, and in `/box-nodes` the nodes that are bound over
 * the files there: a node counts by where it is mounted, so that none can be made beside them.
 */
export function initramfs(agent: Uint8Array, modules: readonly Uint8Array[]): Uint8Array {
  const directories = ['dev', 'proc', 'sys', 'cgroup', 'image', 'disk', 'root', 'modules'];
  return writeCpio([
    ...[...directories, ...boxDirectories].map((name) => ({ name, mode: DIRECTORY | 0o755 })),
    { name: 'box-dev/shm', mode: DIRECTORY | 0o1777 },
    { name: 'dev/console', mode: CHARACTER | 0o600, device: [5, 1] },
    ...boxDevices.map(([name, major, minor]): CpioEntry => {
      return { name: `box-nodes/${name}`, mode: CHARACTER | 0o666, device: [major, minor] };
    }),
    ...boxDevices.map(([name]) => ({ name: `box-dev/${name}`, mode: FILE | 0o666 })),
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
