/**
 * A program that owns a box and ends in the way it is told to. Before it does, it prints the processes it has started.
 * Arguments: engine, home, and `boot` or `run` (killed then), a number (killed so many ms after it began to boot), `exit` or
 * `idle` (ends without stopping the box).
 */
import { writeSync } from 'node:fs';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { BoxliteRuntime, type EngineName } from '../../../src/index.ts';
import { descendants } from '../processes.ts';

const [engine, homeDir = '', how] = process.argv.slice(2);

const runtime = new BoxliteRuntime({ engine: engine as EngineName, homeDir });
const box = await runtime.create({ rootfs: 'builtin:base' });

function tell(): void {
  writeSync(1, JSON.stringify(descendants()));
}

if (Number.isInteger(Number(how))) {
  box.start().catch(() => undefined);
  await sleep(Number(how));
  tell();
  process.kill(process.pid, 'SIGKILL');
}
if (how === 'boot') {
  box.start().catch(() => undefined);
  while (!descendants().some(({ name }) => /^(linux|qemu)/.test(name))) await turn();
  tell();
  process.kill(process.pid, 'SIGKILL');
}
const execution = await box.run(['sh', '-c', 'sleep 100000 & cat /dev/zero']);
for await (const _ of execution.stdout()?.bytes() ?? []) break;
if (how === 'idle') await execution.kill();
if (how === 'idle') await execution.wait();
tell();
if (how === 'run') process.kill(process.pid, 'SIGKILL');
if (how === 'exit') process.exit(7);
