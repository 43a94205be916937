/**
 * The distribution's kernels, which a host has before its own are built. What is downloaded is kept in a cache of the
 * tests, beside the user's own; everything else is made anew each time.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, it } from 'node:test';
import { cacheDir } from '../../src/base/env.ts';
import { BoxCommand, type LiteBox, listKernels } from '../../src/index.ts';
import { folders, forEachEngine, kernelOf, shell, TestRuntime } from './fixture.ts';
import { sha256 } from './sha256.ts';

const MIB = 1024 * 1024;
/** Where kernels stay from one run of the tests to the next. */
const downloads = join(dirname(cacheDir()), 'boxlite-test', 'kernels');
const ownCache = process.env['BOXLITE_CACHE'];
let cache: string;

before(() => {
  mkdirSync(downloads, { recursive: true });
  cache = mkdtempSync(join(dirname(folders.homes), 'cache-'));
  symlinkSync(downloads, join(cache, 'kernels'));
  process.env['BOXLITE_CACHE'] = cache;
});

after(() => {
  rmSync(cache, { recursive: true });
  if (ownCache === undefined) delete process.env['BOXLITE_CACHE'];
  else process.env['BOXLITE_CACHE'] = ownCache;
});

forEachEngine((engine) => {
  let owner: TestRuntime;
  let box: LiteBox;
  before(async () => {
    owner = new TestRuntime(engine);
    box = await owner.makeBox();
    await box.start();
  });
  after(() => owner[Symbol.asyncDispose]());

  it("the kernel is the distribution's", async () => {
    const kernels = await listKernels();
    assert.ok(kernels.every(({ origin }) => origin === 'distribution'));
    const { stdout } = await shell(box, 'uname -r');
    assert.equal(stdout.trim(), (await kernelOf(engine)).version);
  });

  it('the engine works, as doctor sees it', async () => {
    const report = (await owner.runtime.engines()).find((one) => one.engine === engine);
    assert.equal(report?.reason, null);
    assert.equal(report?.kernel?.origin, 'distribution');
  });

  it('commands run, one after the other and at once', async () => {
    for (let i = 0; i < 10; i++) {
      assert.equal((await shell(box, `echo ${i}; echo err >&2; exit ${i}`)).exitCode, i);
    }
    const all = await Promise.all(Array.from({ length: 8 }, (_, i) => shell(box, `echo ${i}`)));
    assert.deepEqual(
      all.map(({ stdout }) => stdout),
      Array.from({ length: 8 }, (_, i) => `${i}\n`),
    );
  });

  it('commands run as before when another one was killed', async () => {
    for (let i = 0; i < 3; i++) {
      await using execution = await box.run(['sleep', '1000']);
      await execution.kill();
      assert.equal((await execution.wait()).signal, 'SIGKILL');
      assert.equal((await shell(box, 'echo fine')).stdout, 'fine\n');
    }
  });

  it('input of a MiB arrives whole, through the mailbox where there is one', async () => {
    const data = randomBytes(MIB);
    const execution = await box.run(['sha256sum']);
    const stdin = execution.stdin();
    await stdin?.write(data);
    await stdin?.close();
    const sum = sha256(data);
    assert.equal((await execution.output()).stdout.split(' ')[0], sum);
  });

  it('output of 8 MiB arrives whole', async () => {
    const execution = await box.run(['dd', 'if=/dev/zero', 'bs=1M', 'count=8']);
    let total = 0;
    for await (const piece of execution.stdout()?.bytes() ?? []) total += piece.length;
    assert.equal(total, 8 * MIB);
  });

  it('processes keep their floating-point registers to themselves', async () => {
    // Under UML the host's processor may have more of them than the kernel knows of.
    const sum = 'awk \'BEGIN { for (i = 0; i < 100000; i++) s += i / 7; printf "%.6f\\n", s }\'';
    const { stdout } = await shell(box, `for i in 1 2 3 4; do ${sum} & done; wait`);
    let expected = 0;
    for (let i = 0; i < 100_000; i++) expected += i / 7;
    assert.equal(stdout, `${expected.toFixed(6)}\n`.repeat(4));
  });

  it('a terminal, a timeout and a signal work', async () => {
    const terminal = await box.run(new BoxCommand('stty').arg('size').tty(true));
    assert.equal(await terminal.stdout()?.text(), '24 80\r\n');
    const late = await (await box.run(new BoxCommand('sleep').arg('100').timeout(100))).wait();
    assert.deepEqual([late.timedOut, late.exitCode], [true, -15]);
    const execution = await box.run(['sleep', '100']);
    await execution.kill();
    assert.equal((await execution.wait()).exitCode, -9);
  });

  it('the clock, the random pool and the loopback are set up', async () => {
    const { stdout } = await shell(
      box,
      'date +%s; head -c 8 /dev/random | wc -c; ping -c 1 127.0.0.1',
    );
    const [seconds, bytes] = stdout.split('\n');
    assert.ok(Math.abs(Number(seconds) - Date.now() / 1000) < 60);
    assert.equal(Number(bytes), 8);
    assert.match(stdout, /1 packets received/);
  });

  it('files stay when the box is stopped and started', async () => {
    const kept = await owner.makeBox({ autoRemove: false, diskSizeGb: 1 });
    await shell(kept, 'mkdir /data; echo text > /data/file');
    await kept.stop();
    assert.equal((await shell(kept, 'cat /data/file')).stdout, 'text\n');
    await owner.runtime.remove(kept.id, true);
  });

  it('less memory than the kernel needs is refused in words', {
    skip: engine === 'uml' && 'user-mode Linux boots in 64 MiB',
  }, async () => {
    const small = await owner.makeBox({ memoryMib: 64 });
    await assert.rejects(small.start(), { kind: 'InvalidArgument', message: /^memoryMib: .*96/ });
    await small.stop();
  });
});
