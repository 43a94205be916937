/** The package as its users get it: packed, installed in an empty directory, imported, run. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { accessSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const lastOldMajor = 23;
const UNPACKED_BYTES_MAX = 3_000_000;
const PT_LOAD = 1;
const PT_INTERP = 3;

/** An older Node: one on the PATH, or one from the registry. */
function oldNode(scratch: string): string {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const node = join(folder, 'node');
    try {
      accessSync(node);
      const major = Number(execFileSync(node, ['-p', 'process.versions.node.split(".")[0]']));
      if (major <= lastOldMajor) return node;
    } catch {
      // Not there, or not executable.
    }
  }
  const name = `node-${process.platform}-${process.arch}`;
  npm(['install', '--no-save', '--prefix', scratch, `${name}@20`], scratch);
  return join(scratch, 'node_modules', name, 'bin', 'node');
}

function npm(args: string[], cwd: string): string {
  return execFileSync('npm', ['--loglevel=error', ...args], { cwd, encoding: 'utf8' });
}

describe('the packed package', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'boxlite-package-'));
  let unpackedBytes = 0;
  const installed = join(scratch, 'node_modules', 'boxlite');

  before(() => {
    execFileSync(process.execPath, ['scripts/build.ts'], { cwd: root });
    const [packed] = JSON.parse(npm(['pack', '--json', '--pack-destination', scratch], root));
    const { filename, unpackedSize } = packed;
    unpackedBytes = unpackedSize;
    writeFileSync(join(scratch, 'package.json'), '{"type":"module","private":true}');
    npm(['install', '--no-save', '--no-audit', '--no-fund', join(scratch, filename)], scratch);
  });

  after(() => rmSync(scratch, { recursive: true, force: true }));

  it('runs a command in a box from JavaScript', () => {
    const program = `
      import { BoxliteRuntime, BoxCommand } from 'boxlite';
      await using runtime = new BoxliteRuntime();
      await using box = await runtime.create({ rootfs: 'builtin:base' });
      const run = await box.run(new BoxCommand('echo').args(['6*7 =', '42']));
      console.log((await run.output()).stdout.trim());
    `;
    writeFileSync(join(scratch, 'program.js'), program);
    const { stdout, stderr } = spawnSync(process.execPath, ['program.js'], {
      cwd: scratch,
      encoding: 'utf8',
    });
    assert.equal(stderr, '');
    assert.equal(stdout, '6*7 = 42\n');
  });

  it('has types that a strict consumer can use', () => {
    const program = `
      import { BoxCommand, BoxliteError, BoxliteRuntime, type BoxOptions, type ExecResult } from 'boxlite';
      const options: BoxOptions = { rootfs: 'builtin:base', cpus: 1, env: { A: 'b' } };
      export async function main(): Promise<ExecResult> {
        await using runtime = new BoxliteRuntime();
        await using box = await runtime.create(options, 'name');
        const run = await box.run(new BoxCommand('true').timeout(1000));
        for await (const line of run.stdout() ?? []) line.trim();
        return run.wait();
      }
      export const isGone = (error: unknown): boolean => BoxliteError.is(error, 'NotFound');
      // @ts-expect-error an unknown option is a mistake
      export const wrong: BoxOptions = { cpu: 1 };
    `;
    writeFileSync(join(scratch, 'consumer.ts'), program);
    const compilerOptions = {
      strict: true,
      exactOptionalPropertyTypes: true,
      module: 'NodeNext',
      target: 'ES2024',
      lib: ['ES2024', 'ESNext.Disposable'],
      types: ['node'],
      typeRoots: [join(root, 'node_modules/@types')],
      noEmit: true,
    };
    writeFileSync(
      join(scratch, 'tsconfig.json'),
      JSON.stringify({ compilerOptions, files: ['consumer.ts'] }),
    );
    const tsc = join(root, 'node_modules/.bin/tsc');
    const { stdout, status } = spawnSync(tsc, ['-p', '.'], { cwd: scratch, encoding: 'utf8' });
    assert.equal(stdout, '');
    assert.equal(status, 0);
  });

  it('puts a boxlite on the PATH', () => {
    const program = join(scratch, 'node_modules/.bin/boxlite');
    // Whatever Node runs the tests, the program looks for one on the PATH.
    const PATH = [dirname(process.execPath), process.env['PATH']].join(delimiter);
    const { stdout, stderr } = spawnSync(program, ['run', 'builtin:base', '--', 'echo', 'hi'], {
      encoding: 'utf8',
      env: { ...process.env, PATH },
    });
    assert.deepEqual([stdout, stderr], ['hi\n', '']);
  });

  it('has an agent for every architecture, which needs nothing of its guest', () => {
    // ELF, by its specification: e_machine, and program headers of 56 bytes that begin with their type.
    for (const [name, machine] of [
      ['agent-x64', 62],
      ['agent-arm64', 183],
    ] as const) {
      const elf = readFileSync(join(installed, 'dist/guest', name));
      assert.equal(elf.readUInt16LE(18), machine, name);
      const start = Number(elf.readBigUInt64LE(32));
      const types = Array.from({ length: elf.readUInt16LE(56) }, (_, i) =>
        elf.readUInt32LE(start + 56 * i),
      );
      assert.ok(types.includes(PT_LOAD) && !types.includes(PT_INTERP), `${name} is not static`);
    }
  });

  it('is small', () => {
    assert.ok(unpackedBytes <= UNPACKED_BYTES_MAX, `${unpackedBytes} bytes unpacked`);
  });

  it('has no install scripts and no native addons', () => {
    const { scripts, dependencies = {} } = JSON.parse(
      readFileSync(join(installed, 'package.json'), 'utf8'),
    );
    for (const name of ['preinstall', 'install', 'postinstall', 'prepare']) {
      assert.equal(scripts?.[name], undefined);
    }
    assert.ok(Object.keys(dependencies).length <= 2);
  });

  it('tells an older Node what it needs, in one sentence', () => {
    const old = oldNode(scratch);
    const wanted = /^BoxLite needs Node\.js 24 or newer, and this is [\d.]+: install a newer one/;
    const program = "import('boxlite').catch((error) => console.log(error.message))";
    const imported = spawnSync(old, ['-e', program], { cwd: scratch, encoding: 'utf8' });
    assert.match(imported.stdout, wanted);
    const cli = spawnSync(old, [join(installed, 'dist/cli/boxlite.js'), 'doctor'], {
      encoding: 'utf8',
    });
    assert.match(cli.stderr.replace('boxlite: ', ''), wanted);
    assert.equal(cli.stderr.split('\n').length, 2);
    assert.equal(cli.status, 125);
  });
});
