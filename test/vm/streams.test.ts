import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import type { ExecStdout, Execution, LiteBox } from '../../src/index.ts';
import { forEachEngine, sharedBox, shell } from './fixture.ts';
import { inTime } from './polling.ts';
import { sha256 } from './sha256.ts';

const MIB = 1024 * 1024;
const everyByte = Uint8Array.from({ length: 256 }, (_, i) => i);
/** What may be in memory of a stream that flows: windows, pipes, the socket, and what is not collected yet. */
const FLAT_BYTES = 64 * MIB;
/** Untaken output, as the contract has it. */
const KEPT_BYTES = MIB;

async function collect(output: ExecStdout | null): Promise<Buffer> {
  assert.ok(output !== null);
  return Buffer.concat(await Array.fromAsync(output.bytes()));
}

async function linesOf(box: LiteBox, script: string): Promise<string[]> {
  const execution = await box.run(['sh', '-c', script]);
  const stdout = execution.stdout();
  assert.ok(stdout !== null);
  const lines = await Array.fromAsync(stdout);
  await execution.wait();
  return lines;
}

/** Writes pieces until told to stop; tells how many have been taken. */
function writePieces(execution: Execution, piece: Uint8Array, count: number) {
  const stdin = execution.stdin();
  assert.ok(stdin !== null);
  const progress = { written: 0 };
  const done = (async () => {
    for (; progress.written < count; progress.written++) await stdin.write(piece);
    await stdin.close();
  })();
  done.catch(() => undefined);
  return { progress, done };
}

forEachEngine((engine) => {
  describe('output', () => {
    const box = sharedBox(engine);

    it('keeps stdout and stderr apart', async () => {
      const { stdout, stderr } = await shell(box(), 'echo out; echo err >&2; echo out again');
      assert.equal(stdout, 'out\nout again\n');
      assert.equal(stderr, 'err\n');
    });

    it('comes in its order where a moment lies between stdout and stderr', async () => {
      const script = 'for i in 1 2 3 4; do echo out; sleep 0.2; echo err >&2; sleep 0.2; done';
      const execution = await box().run(['sh', '-c', script]);
      const order: string[] = [];
      const follow = async (lines: AsyncIterable<string> | null) => {
        for await (const line of lines ?? []) order.push(line);
      };
      await Promise.all([follow(execution.stdout()), follow(execution.stderr())]);
      assert.equal(order.join(' '), 'out err out err out err out err');
      // One pipe has an order of its own.
      const { stdout } = await shell(box(), 'for i in 1 2 3; do echo out; echo err >&2; done 2>&1');
      assert.equal(stdout, 'out\nerr\n'.repeat(3));
    });

    it('is the very bytes that were written, all 256 of them', async () => {
      const execution = await box().run(['sh', '-c', 'tee /dev/stderr']);
      const stdin = execution.stdin();
      await stdin?.write(everyByte);
      await stdin?.close();
      const [out, err] = await Promise.all([
        collect(execution.stdout()),
        collect(execution.stderr()),
      ]);
      assert.deepEqual(new Uint8Array(out), everyByte);
      assert.deepEqual(new Uint8Array(err), everyByte);
    });

    it('of 32 MiB arrives whole', async () => {
      const script = 'head -c 33554432 /dev/urandom > /dev/shm/random; sha256sum /dev/shm/random';
      const { stdout: sum } = await shell(box(), script);
      const execution = await box().run(['cat', '/dev/shm/random']);
      const data = await collect(execution.stdout());
      await shell(box(), 'rm /dev/shm/random');
      assert.equal(data.length, 32 * MIB);
      assert.equal(sha256(data), sum.split(' ')[0]);
    });

    it('comes as lines without their ends, whichever those are', async () => {
      const lines = await linesOf(box(), "printf 'unix\\ndos\\r\\n\\n\\r\\nin\\rside\\nlast'");
      assert.deepEqual(lines, ['unix', 'dos', '', '', 'in\rside', 'last']);
    });

    it('without anything has no lines', async () => {
      assert.deepEqual(await linesOf(box(), 'true'), []);
      assert.deepEqual(await linesOf(box(), 'echo'), ['']);
    });

    it('that is cut within a character is decoded right', async () => {
      const script =
        "printf 'a\\303'; echo go >&2; read x; printf '\\251\\360\\237'; echo go >&2; read x; " +
        "printf '\\216\\201\\n'";
      const execution = await box().run(['sh', '-c', script]);
      const stdin = execution.stdin();
      const lines = Array.fromAsync(execution.stdout() ?? []);
      for await (const word of execution.stderr() ?? []) {
        assert.equal(word, 'go');
        await stdin?.write('\n');
      }
      assert.deepEqual(await lines, ['aé🎁']);
    });

    it('that is no UTF-8 becomes replacement characters', async () => {
      assert.deepEqual(await linesOf(box(), "printf 'a\\377b\\303'"), ['a\ufffdb\ufffd']);
    });

    it('comes as text, as bytes, or as a Node stream', async () => {
      const command: [string, ...string[]] = ['printf', 'né\n'];
      const text = await (await box().run(command)).stdout()?.text();
      assert.equal(text, 'né\n');
      const bytes = await collect((await box().run(command)).stdout());
      assert.equal(bytes.toString(), 'né\n');
      const pieces: Buffer[] = [];
      const readable = (await box().run(command)).stdout()?.readable();
      for await (const piece of readable ?? []) pieces.push(piece);
      assert.equal(Buffer.concat(pieces).toString(), 'né\n');
    });

    it('is there once: taken again it is null, and it cannot be read twice', async () => {
      const execution = await box().run(['echo', 'once']);
      const stdout = execution.stdout();
      assert.equal(execution.stdout(), null);
      assert.notEqual(execution.stderr(), null);
      assert.equal(execution.stderr(), null);
      assert.notEqual(execution.stdin(), null);
      assert.equal(execution.stdin(), null);
      assert.equal(await stdout?.text(), 'once\n');
      assert.throws(() => stdout?.bytes(), { kind: 'InvalidState' });
      await assert.rejects(execution.output(), { kind: 'InvalidState' });
    });

    it('can be taken after the command has ended', async () => {
      const execution = await box().run(['sh', '-c', 'echo out; echo err >&2']);
      await execution.wait();
      assert.equal(await execution.stdout()?.text(), 'out\n');
      assert.equal(await execution.stderr()?.text(), 'err\n');
    });

    it('that nobody takes does not block the command, and its newest MiB is kept', async () => {
      const script = 'dd if=/dev/zero bs=1M count=64 2>/dev/null; printf end';
      const execution = await box().run(['sh', '-c', script]);
      assert.equal((await execution.wait()).exitCode, 0);
      // The exit is told before the last of the output has come; these are told after it.
      for (let i = 0; i < 5; i++) await shell(box(), 'true');
      const kept = await collect(execution.stdout());
      assert.equal(kept.length, KEPT_BYTES);
      assert.equal(kept.toString('latin1', kept.length - 4), '\0end');
    });

    it('that is left in the middle does not block the command', async () => {
      const execution = await box().run(['dd', 'if=/dev/zero', 'bs=1M', 'count=64']);
      for await (const piece of execution.stdout()?.bytes() ?? []) {
        assert.ok(piece.length > 0);
        break;
      }
      assert.equal((await execution.wait()).exitCode, 0);
    });

    it('that is read slowly slows the command down', async () => {
      const script =
        'for i in $(seq 32); do dd if=/dev/zero bs=1M count=1 2>/dev/null; echo $i >&2; done';
      const execution = await box().run(['sh', '-c', script]);
      const marks: string[] = [];
      const stderr = execution.stderr();
      const reading = (async () => {
        for await (const line of stderr ?? []) marks.push(line);
      })();
      const pieces = execution.stdout()?.bytes()[Symbol.asyncIterator]();
      let total = (await pieces?.next())?.value.length;
      // Whoever could go on would have done so while these run.
      for (let i = 0; i < 20; i++) await shell(box(), 'true');
      // What was read, the window, the pipe and the frames under way: not 32.
      assert.ok(marks.length <= 5, `${marks.length} MiB went out though nobody read them`);
      for (;;) {
        const next = await pieces?.next();
        if (next === undefined || next.done === true) break;
        total += next.value.length;
      }
      await reading;
      assert.equal(total, 32 * MIB);
      assert.equal(marks.length, 32);
    });

    it('that streams through leaves memory flat', async () => {
      const idle = process.memoryUsage().rss;
      const execution = await box().run(['dd', 'if=/dev/zero', 'bs=1M', 'count=128']);
      let total = 0;
      let peak = 0;
      for await (const piece of execution.stdout()?.bytes() ?? []) {
        total += piece.length;
        peak = Math.max(peak, process.memoryUsage.rss() - idle);
      }
      assert.equal(total, 128 * MIB);
      assert.ok(peak < FLAT_BYTES, `${peak} bytes more than before`);
    });

    it('of a child that outlives the command still arrives', async () => {
      const script = '(read x; echo late) <&3 & exit 5';
      const execution = await box().run(['sh', '-c', `exec 3<&0; ${script}`]);
      const stdin = execution.stdin();
      const { exitCode } = await execution.wait();
      assert.equal(exitCode, 5);
      const text = execution.stdout()?.text();
      await stdin?.write('\n');
      assert.equal(await text, 'late\n');
    });
  });

  describe('input', () => {
    const box = sharedBox(engine);

    it('is the very bytes that were sent, 32 MiB of them', async () => {
      const data = randomBytes(32 * MIB);
      const execution = await box().run(['sha256sum']);
      const stdin = execution.stdin();
      await stdin?.writeAll(data);
      await stdin?.close();
      assert.equal((await execution.output()).stdout.split(' ')[0], sha256(data));
    });

    it('in pieces of every kind arrives in order', async () => {
      const sizes = [0, 1, 511, 512, 513, 4095, 4096, 4097, 65_536, 262_144, 262_145, 1_000_000];
      const pieces = sizes.map((size) => randomBytes(size));
      const execution = await box().run(['sha256sum']);
      const stdin = execution.stdin();
      await Promise.all(pieces.map((piece) => stdin?.write(piece)));
      await stdin?.close();
      const sum = (await execution.output()).stdout.split(' ')[0];
      assert.equal(sum, sha256(Buffer.concat(pieces)));
    });

    it('that nobody takes is ended by wait()', async () => {
      const execution = await box().run(['cat']);
      assert.equal((await execution.wait()).exitCode, 0);
      const { exitCode, stdout } = await (await box().run(['cat'])).output();
      assert.deepEqual([exitCode, stdout], [0, '']);
    });

    it('that was taken stays open while somebody waits', async () => {
      const execution = await box().run(['sh', '-c', 'read line; echo "got $line"']);
      const stdin = execution.stdin();
      const output = execution.output();
      await shell(box(), 'true');
      await stdin?.write('it\n');
      assert.equal((await output).stdout, 'got it\n');
    });

    it('can be closed twice, and takes nothing afterwards', async () => {
      const execution = await box().run(['cat']);
      const stdin = execution.stdin();
      await stdin?.write('text');
      await stdin?.close();
      await stdin?.close();
      await assert.rejects(stdin?.write('more') ?? Promise.resolve(), { kind: 'InvalidState' });
      assert.equal((await execution.output()).stdout, 'text');
    });

    it('to a command that has ended is InvalidState', async () => {
      const execution = await box().run(['true']);
      const stdin = execution.stdin();
      await execution.output();
      await assert.rejects(stdin?.write('too late') ?? Promise.resolve(), { kind: 'InvalidState' });
    });

    it('of which a command reads a part does not keep it from ending', async () => {
      const execution = await box().run(['head', '-c', '5']);
      const { done } = writePieces(execution, randomBytes(MIB), 16);
      const { exitCode, stdout } = await inTime('head', execution.output());
      assert.equal(exitCode, 0);
      assert.ok(stdout.length > 0);
      await assert.rejects(done, { kind: 'InvalidState' });
    });

    it('that is not read holds its writer back, and memory stays flat', async () => {
      const execution = await box().run(['sleep', '1000']);
      const idle = process.memoryUsage();
      const { progress, done } = writePieces(execution, randomBytes(MIB), 64);
      for (let i = 0; i < 20; i++) await shell(box(), 'true');
      const grown = process.memoryUsage.rss() - idle.rss;
      assert.ok(progress.written <= 4, `${progress.written} MiB went in though nobody read them`);
      assert.ok(grown < FLAT_BYTES, `${grown} bytes more than before`);
      await execution.kill();
      assert.equal((await execution.wait()).exitCode, -9);
      await assert.rejects(done, { kind: 'InvalidState' });
    });

    it('that is read slowly gets there whole', async () => {
      const execution = await box().run([
        'sh',
        '-c',
        'for i in $(seq 8); do dd bs=1M count=1 iflag=fullblock 2>/dev/null | wc -c; done; wc -c',
      ]);
      const { done } = writePieces(execution, new Uint8Array(MIB), 16);
      const { stdout } = await execution.output();
      await done;
      assert.deepEqual(stdout.trim().split('\n').map(Number), [...Array(8).fill(MIB), 8 * MIB]);
    });
  });
});
