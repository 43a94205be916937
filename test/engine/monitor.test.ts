import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { Duplex, PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import { Monitor } from '../../src/engine/qemu/monitor.ts';
import { qemuProgram } from '../../src/engine/vmm.ts';

const program = qemuProgram(process.arch === 'arm64' ? 'arm64' : 'x64');

/** QEMU without a machine, and its monitor. */
function qemu() {
  const args = ['-M', 'none', '-nodefaults', '-display', 'none', '-qmp', 'stdio'];
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const socket = Duplex.from({ writable: child.stdin, readable: child.stdout });
  return { child, monitor: new Monitor(socket), [Symbol.dispose]: () => child.kill() };
}

describe('Monitor', () => {
  it('asks a real QEMU, in order, and tells what it refuses', async () => {
    using it = qemu();
    await it.monitor.execute('qmp_capabilities');
    const answers = await Promise.all([
      it.monitor.execute('query-status'),
      it.monitor.execute('no-such-command').catch((error: unknown) => error),
      it.monitor.execute('migrate-set-parameters', { 'max-bandwidth': 2 ** 40 }),
      it.monitor.execute('query-migrate'),
    ]);
    assert.equal(answers[0]['status'], 'running');
    assert.match(String(answers[1]), /refuses: The command no-such-command has not been found/);
    assert.deepEqual(answers.slice(2), [{}, {}]);
  });

  it('fails whoever waits when QEMU is gone, and whoever asks afterwards', async () => {
    using it = qemu();
    await it.monitor.execute('qmp_capabilities');
    const waiting = it.monitor.execute('query-status');
    const quitting = it.monitor.execute('quit');
    await Promise.allSettled([waiting, quitting]);
    await new Promise((resolve) => it.child.once('close', resolve));
    await assert.rejects(it.monitor.execute('query-status'), {
      kind: 'Engine',
      message: /monitor cannot be used/,
    });
  });

  it('gives up on what is no answer, and on one without an end', async () => {
    for (const said of ['{"return": ', 'x'.repeat(1024 * 1024 + 1)]) {
      const input = new PassThrough();
      const monitor = new Monitor(Duplex.from({ writable: new PassThrough(), readable: input }));
      const waiting = monitor.execute('query-status');
      input.write(said);
      if (said.startsWith('{')) input.write('\n');
      await assert.rejects(waiting, { kind: 'Engine', message: /monitor cannot be used/ });
    }
  });
});
