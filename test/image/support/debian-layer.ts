/**
 * A layer with a small Debian and Python, about 150 MB, made of the files of packages that are
 * installed on this host. Real names, modes, links and sizes, without a network.
 */
import { execFileSync } from 'node:child_process';
import {
  accessSync,
  constants,
  existsSync,
  lstatSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';

const DPKG_STATUS = '/var/lib/dpkg/status';
/** What `debootstrap --variant=minbase --include=python3` is about. */
const WANTED = ['python3', 'apt', 'bash', 'coreutils', 'passwd', 'login', 'mount', 'util-linux'];

/** What is in it depends on what its maker can read. */
const OURS = `boxlite-debian-layer-${process.getuid?.()}-`;

/**
 * Path of the tar archive, with everything in a directory of that name if one is given. It is kept
 * in the temporary directory until packages change.
 */
export function debianLayer(under = ''): string {
  const state = Math.trunc(statSync(DPKG_STATUS).mtimeMs);
  const path = join(tmpdir(), `${OURS}${state}${under && `-${under}`}.tar`);
  if (existsSync(path)) return path;
  sweep(`${OURS}${state}`);
  const partial = `${path}.${process.pid}`;
  const names = packageFiles(WANTED).map((file) => `.${file}`);
  const options = ['--format=pax', '--no-recursion', '--numeric-owner', '--xattrs', '--sort=none'];
  // Not to be applied to what symbolic links lead to.
  if (under !== '') options.push(`--transform=s,^[.],./${under},S`);
  const list = ['--null', '--verbatim-files-from', '-T', '-'];
  execFileSync('tar', ['-C', '/', ...options, ...list, '-cf', partial], {
    input: names.join('\0'),
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  renameSync(partial, path);
  return path;
}

/** Removes what has been made of earlier packages, and what killed programs have left half-made. */
function sweep(current: string): void {
  for (const name of readdirSync(tmpdir())) {
    const maker = /[.]tar[.](\d+)$/.exec(name)?.[1];
    const isInUse = maker === undefined ? name.startsWith(current) : existsSync(`/proc/${maker}`);
    if (name.startsWith(OURS) && !isInUse) rmSync(join(tmpdir(), name), { force: true });
  }
}

/** All paths of these packages, of those that they need, and of the essential ones, directories first. */
export function packageFiles(wanted: readonly string[]): string[] {
  return filesOf(installedClosure(wanted));
}

/** The packages and all that they depend on, as far as they are installed. */
function installedClosure(wanted: readonly string[]): string[] {
  const ignore = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'];
  const options = ignore.map((relation) => `--no-${relation}`);
  const lines = run('apt-cache', ['depends', '--recurse', '--installed', ...options, ...wanted]);
  const found = new Set(lines.split('\n').filter((line) => /^[a-z0-9]/.test(line)));
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own syntax.
  const format = '${Package} ${Essential} ${db:Status-Abbrev}\n';
  const installed = run('dpkg-query', ['-W', '-f', format])
    .split('\n')
    .filter((line) => line.includes(' ii'))
    .map((line) => line.split(' '));
  return installed
    .filter(([name = '', essential]) => essential === 'yes' || found.has(name))
    .map(([name = '']) => name);
}

/** Every path the packages own and that is there, directories first. */
function filesOf(packages: readonly string[]): string[] {
  const lines = run('dpkg-query', ['-L', ...packages]).split('\n');
  // Without what changes while it is read.
  const paths = lines.filter((line) => /^\/(?!\.$|(?:dev|proc|run|sys|tmp)(?:\/|$))/.test(line));
  // Links such as /lib -> usr/lib belong to no package on a merged system.
  paths.push('/', '/bin', '/lib', '/lib64', '/sbin', '/etc/passwd', '/etc/group', '/etc/shadow');
  const present = paths.filter(isReadable);
  return [...new Set(present.map(withoutLinks).flatMap(withParents))].sort();
}

/** An ordinary user cannot read what is secret, and nothing in a test does. */
function isReadable(path: string): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined || found.isSymbolicLink()) return found !== undefined;
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

/** The same file by a path without links but the last. */
function withoutLinks(path: string): string {
  return path === '/' ? path : join(realpathSync(dirname(path)), basename(path));
}

function withParents(path: string): string[] {
  return path === '/' ? [path] : [...withParents(dirname(path)), path];
}

function run(command: string, args: readonly string[]): string {
  return execFileSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}
