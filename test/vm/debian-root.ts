/** A root file system made of the files of Debian packages that are installed on this machine. */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { packageFiles } from '../image/support/debian-layer.ts';

/** What is read by nobody in a test, and would make the image larger. */
const LEFT_OUT = /^\/usr\/share\/(?:doc|man|locale|info|lintian|i18n|zoneinfo)\//;
/** Made by packages when they are installed. */
const MADE = ['/etc/ssl/certs/ca-certificates.crt', '/etc/ssl/certs/java/cacerts'];

/** Writes it to a folder: these packages, all that they need, and the Node that runs this with the machine's npm. */
export function makeDebianRoot(folder: string, packages: readonly string[]): void {
  makePackageRoot(folder, packages);
  addNode(folder);
}

/** These packages and all that they need. */
export function makePackageRoot(folder: string, packages: readonly string[]): void {
  mkdirSync(folder, { recursive: true });
  const names = packageFiles(packages).filter((path) => !LEFT_OUT.test(path));
  const list = [...names, ...MADE.filter((path) => existsSync(path))].map((path) => `.${path}`);
  // An ordinary user cannot give files away.
  const archive = 'tar -C / --no-recursion --null --verbatim-files-from -T - -cf -';
  execFileSync('sh', ['-c', `${archive} | tar -C "$1" --no-same-owner -xpf -`, 'sh', folder], {
    input: list.join('\0'),
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  // dpkg starts with an empty list of what it has installed.
  for (const file of ['status', 'available']) writeFileSync(join(folder, 'var/lib/dpkg', file), '');
  mkdirSync(join(folder, 'tmp'), { recursive: true });
}

function addNode(folder: string): void {
  const bin = join(folder, 'usr/local/bin');
  mkdirSync(bin, { recursive: true });
  copyFileSync(realpathSync(process.execPath), join(bin, 'node'));
  const cli = realpathSync(
    execFileSync('sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).trim(),
  );
  const npm = dirname(dirname(cli));
  // Debian's own npm has its dependencies beside it and not within.
  const whole = existsSync(join(npm, 'node_modules')) ? npm : dirname(npm);
  const to = join(folder, 'usr/local/lib', whole === npm ? 'npm' : 'nodejs');
  cpSync(whole, to, { recursive: true });
  symlinkSync(join('/', cli.replace(whole, to.slice(folder.length))), join(bin, 'npm'));
}
