/** The package as its users get it: packed, installed in an empty directory, imported, run. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { accessSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { listKernels } from '../../src/index.ts';

/** The newest of each flavor that was built here. There is a package of them for x86-64 only. */
const builtKernels =
  process.platform === 'linux' && process.arch === 'x64'
    ? (await listKernels()).filter(
        ({ origin, flavor }, i, all) =>
          origin === 'own' && all.findIndex((other) => other.flavor === flavor) === i,
      )
    : [];
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
  let tarball = '';
  const installed = join(scratch, 'node_modules', 'boxlite');

  before(() => {
    execFileSync(process.execPath, ['scripts/build.ts'], { cwd: root });
    const [packed] = JSON.parse(npm(['pack', '--json', '--pack-destination', scratch], root));
    const { filename, unpackedSize } = packed;
    unpackedBytes = unpackedSize;
    writeFileSync(join(scratch, 'package.json'), '{"type":"module","private":true}');
    tarball = join(scratch, filename);
    npm(['install', '--no-save', '--no-audit', '--no-fund', tarball], scratch);
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

  it('has the types of the contract', () => {
    const contract = readFileSync(join(root, 'test/package/contract.ts'), 'utf8');
    const imported = contract.replace("'../../src/index.ts'", "'boxlite'");
    assert.notEqual(imported, contract);
    compiles('contract.ts', imported);
  });

  it('runs a command in a box from TypeScript', () => {
    const program = `
      import { BoxCommand, BoxliteRuntime, type ExecResult } from 'boxlite';
      async function main(words: readonly string[]): Promise<ExecResult & { stdout: string }> {
        await using runtime = new BoxliteRuntime();
        await using box = await runtime.create({ rootfs: 'builtin:base', memoryMib: 128 });
        const run = await box.run(new BoxCommand('echo').args(words));
        return await run.output();
      }
      const { stdout, exitCode } = await main(['from', 'TypeScript']);
      console.log(exitCode satisfies number, stdout.trim());
    `;
    compiles('program.ts', program);
    const { stdout, stderr } = spawnSync(process.execPath, ['program.ts'], {
      cwd: scratch,
      encoding: 'utf8',
    });
    assert.deepEqual([stderr, stdout], ['', '0 from TypeScript\n']);
  });

  /** Compiles a program as the strictest of consumers do. */
  function compiles(name: string, program: string): void {
    writeFileSync(join(scratch, name), program);
    const compilerOptions = {
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      module: 'NodeNext',
      target: 'ES2024',
      lib: ['ES2024', 'ESNext.Disposable'],
      types: ['node'],
      typeRoots: [join(root, 'node_modules/@types')],
      noEmit: true,
    };
    const tsconfig = JSON.stringify({ compilerOptions, files: [name] });
    writeFileSync(join(scratch, 'tsconfig.json'), tsconfig);
    const tsc = join(root, 'node_modules/.bin/tsc');
    const { stdout, status } = spawnSync(tsc, ['-p', '.'], { cwd: scratch, encoding: 'utf8' });
    assert.equal(stdout, '');
    assert.equal(status, 0);
  }

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
    compiles('consumer.ts', program);
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

  const noKernels = builtKernels.length < 2 && 'our kernels have not been built on this machine';
  it('boots on the kernels of the package beside it, with nothing built', {
    skip: noKernels,
  }, () => {
    const script = join(root, 'scripts/kernel-packages.ts');
    const run = [script, scratch];
    const packed = execFileSync(process.execPath, run, { cwd: root, encoding: 'utf8' }).split('\n');
    const name = packed.find((each) => each.startsWith('boxlite-kernel-linux-x64-')) ?? '';
    const options = ['--no-save', '--no-audit', '--no-fund'];
    npm(['install', ...options, tarball, join(scratch, name)], scratch);
    const beside = join(scratch, 'node_modules/@boxlite/kernel-linux-x64');
    const readme = readFileSync(join(beside, 'README.md'), 'utf8');
    for (const { version } of builtKernels) assert.ok(readme.includes(`Linux ${version}`), readme);
    assert.match(readme, /`linux-source-\S+ \S+`/);
    assert.match(readFileSync(join(beside, 'LICENSE'), 'utf8'), /GNU GENERAL PUBLIC LICENSE/);
    const about = JSON.parse(readFileSync(join(beside, 'package.json'), 'utf8'));
    assert.match(about.license, /^GPL-2\.0-only/);
    const program = `
      import { BoxliteRuntime } from 'boxlite';
      await using runtime = new BoxliteRuntime({ homeDir: process.argv[2] });
      const said = [];
      for (const engine of ['uml', 'tcg']) {
        await using box = await runtime.create({ rootfs: 'builtin:base', engine, memoryMib: 128 });
        said.push((await (await box.run(['uname', '-r'])).output()).stdout.trim());
      }
      const engines = await runtime.engines();
      const paths = engines.flatMap(({ kernel }) => kernel === null ? [] : [kernel.path]);
      console.log(JSON.stringify({ said, paths }));
    `;
    writeFileSync(join(scratch, 'packaged.js'), program);
    const env = { ...process.env, BOXLITE_CACHE: join(scratch, 'cache') };
    const ran = spawnSync(process.execPath, ['packaged.js', join(scratch, 'home')], {
      cwd: scratch,
      encoding: 'utf8',
      env,
    });
    assert.equal(ran.stderr, '');
    const { said, paths } = JSON.parse(ran.stdout);
    const versions = ['uml', 'vm'].map(
      (flavor) => builtKernels.find((kernel) => kernel.flavor === flavor)?.version,
    );
    assert.deepEqual(said, versions);
    assert.ok(paths.length >= 2);
    for (const path of paths) assert.ok(path.startsWith(beside), path);
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
