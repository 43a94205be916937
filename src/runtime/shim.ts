/**
 * The program that owns a detached box: made for it by whoever starts it, told about it on standard input,
 * and gone when the box is. Other programs reach the box through it as through any owner.
 */
import { text } from 'node:stream/consumers';
import { cacheDir, programPath } from '../base/env.ts';
import { BoxliteError, messageOf } from '../base/errors.ts';
import { BoxID } from '../base/ids.ts';
import { runCommand } from '../process/run.ts';
import { Home } from './home.ts';
import { Host } from './host.ts';
import { Owner } from './owner.ts';
import { whenRemoved } from './removed-folder.ts';
import type { ShimOrder, ShimReport } from './shim-process.ts';

async function own({ homeDir, id, image }: ShimOrder): Promise<void> {
  const host = new Host({ cacheDir: cacheDir(), path: programPath(), run: runCommand });
  using home = new Home(homeDir, host);
  const boxId = BoxID.parse(id);
  const row = boxId === null ? null : home.store.boxes.get(boxId);
  if (row === null) throw new BoxliteError('NotFound', `There is no box "${id}"`);
  await using owner = new Owner({ home, kind: 'shim', engine: null, image: async () => image });
  const box = await owner.start(row);
  report({ error: null });
  // Somebody else was faster, and has the box.
  if (box === null) return;
  box.holdFor(owner, true);
  const stop = () => void box.stop(null);
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  // Nobody could reach it any more, nor end it.
  using _ = whenRemoved(home.boxDir(box.id), stop);
  await box.ended;
}

function report(outcome: ShimReport): void {
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
}

function codeOf(error: unknown): string | null {
  const cause = error instanceof Error ? error.cause : null;
  const { code } = (cause ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : null;
}

process.title = 'boxlite-shim';
// Whoever started us stops listening as soon as we have said that we are ready.
process.stdout.on('error', () => undefined);
try {
  await own(JSON.parse(await text(process.stdin)) as ShimOrder);
} catch (error) {
  const kind = BoxliteError.is(error) ? error.kind : 'Internal';
  report({ error: { kind, message: messageOf(error), code: codeOf(error) } });
  process.exitCode = 1;
}
