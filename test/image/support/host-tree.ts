/** What is in a directory of the host, in the words of the EROFS reader, so the two compare. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { type BigIntStats, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { parseGetfattr } from '../../../src/image/getfattr.ts';
import type { Seen } from './erofs-reader.ts';

/** Everything in a directory by path, `` being itself. */
export function readHostTree(top: string): Map<string, Seen> {
  const seen = new Map<string, Seen>();
  const xattrs = hostXattrs(top);
  const hashes = new Map<bigint, string>();
  const walk = (path: string) => {
    const at = Buffer.concat([Buffer.from(`${top}/`), Buffer.from(path, 'latin1')]);
    const found = lstatSync(at, { bigint: true });
    const own = xattrs.get(path) ?? [];
    seen.set(path, {
      ...describe(found, at, hashes),
      xattrs: Object.fromEntries(
        own.map(({ name, value }) => [name, Buffer.from(value).toString('hex')]),
      ),
    });
    if (!found.isDirectory()) return;
    for (const name of readdirSync(at, { encoding: 'buffer' })) {
      const text = name.toString('latin1');
      walk(path === '' ? text : `${path}/${text}`);
    }
  };
  walk('');
  return seen;
}

function hostXattrs(top: string) {
  // Run inside the directory, so that the names are relative to it.
  const dump = execFileSync('getfattr', ['-R', '-P', '-h', '-d', '-m', '-', '-e', 'hex', '.'], {
    cwd: top,
    maxBuffer: 1 << 28,
  });
  return parseGetfattr(dump);
}

function describe(
  found: BigIntStats,
  at: Buffer,
  hashes: Map<bigint, string>,
): Omit<Seen, 'xattrs'> {
  const type = typeOf(found);
  const isDevice = type === 'character' || type === 'block';
  const nanoseconds = ((found.mtimeNs % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  return {
    type,
    mode: Number(found.mode) & 0o7777,
    uid: Number(found.uid),
    gid: Number(found.gid),
    links: Number(found.nlink),
    size: type === 'file' || type === 'symlink' ? Number(found.size) : 0,
    seconds: (found.mtimeNs - nanoseconds) / 1_000_000_000n,
    nanoseconds: Number(nanoseconds),
    device: isDevice ? deviceOf(found.rdev) : null,
    target: type === 'symlink' ? readlinkSync(at, { encoding: 'buffer' }).toString('latin1') : null,
    sha256: type === 'file' ? hashOf(at, found.ino, hashes) : null,
    inode: Number(found.ino),
  };
}

/** Files with many names are read once. */
function hashOf(at: Buffer, inode: bigint, hashes: Map<bigint, string>): string {
  const hash = hashes.get(inode) ?? createHash('sha256').update(readFileSync(at)).digest('hex');
  hashes.set(inode, hash);
  return hash;
}

function typeOf(found: BigIntStats): string {
  if (found.isFile()) return 'file';
  if (found.isDirectory()) return 'directory';
  if (found.isSymbolicLink()) return 'symlink';
  if (found.isFIFO()) return 'fifo';
  if (found.isSocket()) return 'socket';
  return found.isBlockDevice() ? 'block' : 'character';
}

/** gnu_dev_major() and gnu_dev_minor(). */
function deviceOf(rdev: bigint): string {
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}

/** The trees without their inode numbers, but with which names share one. */
export function comparable(tree: ReadonlyMap<string, Seen>): Record<string, unknown> {
  const firstName = new Map<number, string>();
  const paths = [...tree.keys()].sort();
  for (const path of paths) {
    const inode = tree.get(path)?.inode ?? 0;
    if (!firstName.has(inode)) firstName.set(inode, path);
  }
  return Object.fromEntries(
    paths.map((path) => {
      const { inode, seconds, ...rest } = tree.get(path) as Seen;
      return [path, { ...rest, seconds: `${seconds}`, sameAs: firstName.get(inode) }];
    }),
  );
}
