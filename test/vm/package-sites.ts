/** What package managers fetch: one small package for each of them, as files that any web server can serve. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const NAME = 'hello-boxlite';
const WHEEL = 'hello_boxlite-1.0-py3-none-any.whl';

/** Writes `apt/`, `simple/` and `wheels/`, `npm/` and `tarballs/`, and `git/`; `base` is where they will be served. */
export function makePackageSites(www: string, scratch: string, base: string): void {
  makeApt(join(www, 'apt'), join(scratch, 'deb'));
  makePip(www, join(scratch, 'wheel'));
  makeNpm(www, join(scratch, 'tarball'), base);
  makeGit(join(www, 'git'), join(scratch, 'work'));
}

function makeApt(site: string, tree: string): void {
  const control = `Package: ${NAME}\nVersion: 1.0\nArchitecture: all\nMaintainer: A Test <test@example>\n`;
  write(join(tree, 'DEBIAN/control'), `${control}Description: says hello\n`);
  write(join(tree, 'usr/share/hello-boxlite'), 'hello from apt\n');
  mkdirSync(site, { recursive: true });
  const deb = join(site, 'hello.deb');
  run('dpkg-deb', ['--root-owner-group', '--build', tree, deb]);
  const sum = createHash('sha256').update(readFileSync(deb)).digest('hex');
  const file = `Filename: ./hello.deb\nSize: ${statSync(deb).size}\nSHA256: ${sum}\n`;
  writeFileSync(join(site, 'Packages'), `${control}${file}Description: says hello\n`);
}

function makePip(www: string, tree: string): void {
  const about = join(tree, 'hello_boxlite-1.0.dist-info');
  write(join(tree, 'hello_boxlite.py'), 'print("hello from pip")\n');
  write(join(about, 'METADATA'), `Metadata-Version: 2.1\nName: ${NAME}\nVersion: 1.0\n`);
  write(join(about, 'WHEEL'), 'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n');
  const files = ['hello_boxlite.py', 'hello_boxlite-1.0.dist-info/METADATA'];
  const listed = [...files, 'hello_boxlite-1.0.dist-info/WHEEL'];
  const record = 'hello_boxlite-1.0.dist-info/RECORD';
  write(join(tree, record), `${[...listed, record].map((file) => `${file},,`).join('\n')}\n`);
  const wheel = join(www, 'wheels', WHEEL);
  mkdirSync(join(www, 'wheels'), { recursive: true });
  run('python3', ['-m', 'zipfile', '-c', wheel, 'hello_boxlite.py', about], tree);
  write(join(www, `simple/${NAME}/index.html`), `<a href="/wheels/${WHEEL}">${WHEEL}</a>\n`);
}

function makeNpm(www: string, tree: string, base: string): void {
  const about = { name: NAME, version: '1.0.0', main: 'index.js' };
  write(join(tree, 'package/package.json'), JSON.stringify(about));
  write(join(tree, 'package/index.js'), 'console.log("hello from npm");\n');
  const tarball = join(www, 'tarballs/hello-1.0.0.tgz');
  mkdirSync(join(www, 'tarballs'), { recursive: true });
  run('tar', ['-C', tree, '-czf', tarball, 'package']);
  const sum = createHash('sha512').update(readFileSync(tarball)).digest('base64');
  const dist = { tarball: `${base}/tarballs/hello-1.0.0.tgz`, integrity: `sha512-${sum}` };
  const versions = { '1.0.0': { ...about, dist } };
  const document = { name: NAME, 'dist-tags': { latest: '1.0.0' }, versions };
  write(join(www, 'npm', NAME), JSON.stringify(document));
}

/** Served as files alone, by Git's oldest protocol for HTTP. */
function makeGit(site: string, tree: string): void {
  write(join(tree, 'hello.txt'), 'hello from git\n');
  const author = ['-c', 'user.name=A Test', '-c', 'user.email=test@example'];
  run('git', ['init', '-q'], tree);
  run('git', ['add', '.'], tree);
  run('git', [...author, 'commit', '-q', '-m', 'say hello'], tree);
  mkdirSync(site, { recursive: true });
  run('git', ['clone', '-q', '--bare', tree, join(site, 'hello.git')]);
  run('git', ['update-server-info'], join(site, 'hello.git'));
}

function write(path: string, text: string): void {
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, text);
}

function run(program: string, args: readonly string[], cwd?: string): void {
  // Nothing of the machine's own settings for Git.
  const env = { PATH: process.env['PATH'], HOME: '/nonexistent', GIT_CONFIG_NOSYSTEM: '1' };
  execFileSync(program, args, { cwd, env, stdio: ['ignore', 'ignore', 'pipe'] });
}
