/**
 * Who is not root: boxes work, what is taken over gets nothing, and a host that forbids what jails are made of is told
 * what to do. Root runs this as somebody else; everybody else as themselves.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { cacheDir } from '../../src/base/env.ts';
import { ownKernelsDir } from '../../src/engine/kernel/own.ts';
import { forEachEngine } from './fixture.ts';
import { processesWithFilesIn } from './processes.ts';
import { become, REPOSITORY, USER, unable } from './somebody.ts';

const asRoot = process.getuid?.() === 0;
const FORBID = fileURLToPath(new URL('programs/without-namespaces.sh', import.meta.url));
/** Takes the means to make namespaces away. */
const forbid = ['unshare', '--user', '--map-current-user', '--keep-caps', 'sh', FORBID];

describe('an ordinary user', { skip: unable() }, () => {
  let folder: string;
  let env: NodeJS.ProcessEnv;

  before(() => {
    folder = mkdtempSync('/var/tmp/boxlite-user-');
    const [cache, temporary] = ['cache', 'tmp'].map((name) => join(folder, name));
    mkdirSync(temporary ?? '');
    // Root's cache is closed to others.
    const kernels = ownKernelsDir(cacheDir());
    if (asRoot && existsSync(kernels)) {
      cpSync(kernels, ownKernelsDir(cache ?? ''), { recursive: true });
    }
    if (asRoot) execFileSync('chown', ['-R', `${USER}:${USER}`, folder]);
    const { NODE_TEST_CONTEXT: _, ...inherited } = process.env;
    const own = asRoot ? { HOME: folder, BOXLITE_CACHE: cache } : {};
    env = { ...inherited, ...own, TMPDIR: temporary };
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** Runs a program of Node's as that user. */
  async function run(prefix: readonly string[], ...args: string[]) {
    const [command = '', ...rest] = [...become, ...prefix, process.execPath, ...args];
    const child = spawn(command, rest, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const closed = once(child, 'close');
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
    await closed;
    return { stdout, stderr, status: child.exitCode };
  }

  const program = (name: string) => join(REPOSITORY, name);
  const tryRun = program('test/vm/programs/try-run.ts');

  it('is kept in by the jail as root is', async () => {
    const suite = program('test/jail/escape.test.ts');
    const { stdout, stderr, status } = await run([], '--test', '--test-reporter=tap', suite);
    assert.equal(status, 0, `${stdout}${stderr}`);
    assert.match(stdout, /ok \d+ - gets nothing$/m);
  });

  it('is told by doctor what to do where namespaces are forbidden, whatever was found before', async () => {
    const doctor = [program('src/cli/boxlite.ts'), 'doctor', '--format', 'json'];
    const reports = async (prefix: readonly string[]) => {
      const { stdout, stderr } = await run(prefix, ...doctor);
      assert.equal(stderr, '');
      return (JSON.parse(stdout) as { engine: string; usable: boolean; remedy: string }[]).filter(
        ({ engine }) => engine === 'uml' || engine === 'tcg',
      );
    };
    const allowed = await reports([]);
    assert.ok(allowed.some(({ usable }) => usable));
    for (const { usable, remedy } of await reports(forbid)) {
      assert.equal(usable, false);
      assert.match(remedy, /allow unprivileged user namespaces/);
    }
    assert.ok((await reports([])).some(({ usable }) => usable));
  });

  forEachEngine((engine) => {
    it('has boxes', async () => {
      const { stdout, stderr } = await run([], tryRun, engine, join(folder, 'home'));
      assert.deepEqual(JSON.parse(stdout), { stdout: 'hello\n' }, stderr);
    });

    it('has none where namespaces are forbidden, and is told what to do', async () => {
      const home = join(folder, 'forbidden');
      const { stdout } = await run(forbid, tryRun, engine, home);
      const { kind, message } = JSON.parse(stdout);
      assert.equal(kind, 'Engine');
      assert.match(message, /Without its jail no VMM is started: allow unprivileged user namespac/);
      assert.deepEqual(processesWithFilesIn(folder), []);
      assert.deepEqual(readdirSync(join(home, 'boxes')), []);
    });
  });
});
