/** Bytes through a command's streams and through a host program's, the same way. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { LiteBox } from '../src/index.ts';

const MIB = 1024 * 1024;
/** What a program reads and writes at once. */
const BLOCK = 'bs=1M';
/** What is handed to `write()` at once. */
const PIECE_BYTES = 256 * 1024;

/** A program that prints `mib` MiB. */
export function producer(mib: number): [string, ...string[]] {
  return ['dd', 'if=/dev/zero', BLOCK, `count=${mib}`];
}

/** A program that reads its input to the end. */
export const consumer: [string, ...string[]] = ['dd', 'of=/dev/null', BLOCK];

/** MB/s of a box's stdout; `onPiece` is called with the bytes so far. */
export async function boxStdout(
  box: LiteBox,
  mib: number,
  onPiece: (bytes: number) => void = () => undefined,
): Promise<number> {
  const started = performance.now();
  const execution = await box.run(producer(mib));
  let bytes = 0;
  for await (const piece of execution.stdout()?.bytes() ?? []) {
    bytes += piece.length;
    onPiece(bytes);
  }
  return rate(expect(bytes, mib), started);
}

/** MB/s of a box's stdin, until the program has read it all. */
export async function boxStdin(box: LiteBox, mib: number): Promise<number> {
  const piece = Buffer.alloc(PIECE_BYTES);
  const started = performance.now();
  const execution = await box.run(consumer);
  const stdin = execution.stdin();
  for (let bytes = 0; bytes < mib * MIB; bytes += piece.length) await stdin?.write(piece);
  await stdin?.close();
  const { exitCode } = await execution.wait();
  if (exitCode !== 0) throw new Error(`${consumer[0]} ended with ${exitCode}`);
  return rate(mib * MIB, started);
}

/** MB/s of the same program's output on the host. */
export async function hostStdout(busybox: string, mib: number): Promise<number> {
  const started = performance.now();
  const child = spawn(busybox, producer(mib), { stdio: ['ignore', 'pipe', 'ignore'] });
  let bytes = 0;
  for await (const piece of child.stdout) bytes += piece.length;
  return rate(expect(bytes, mib), started);
}

/** MB/s of the same program's input on the host. */
export async function hostStdin(busybox: string, mib: number): Promise<number> {
  const piece = Buffer.alloc(PIECE_BYTES);
  const started = performance.now();
  const child = spawn(busybox, consumer, { stdio: ['pipe', 'ignore', 'ignore'] });
  const closed = once(child, 'close');
  for (let bytes = 0; bytes < mib * MIB; bytes += piece.length) {
    if (!child.stdin.write(piece)) await once(child.stdin, 'drain');
  }
  child.stdin.end();
  await closed;
  return rate(mib * MIB, started);
}

function expect(bytes: number, mib: number): number {
  if (bytes !== mib * MIB) throw new Error(`${bytes} bytes came, not ${mib} MiB`);
  return bytes;
}

function rate(bytes: number, started: number): number {
  return bytes / 1e6 / ((performance.now() - started) / 1000);
}
