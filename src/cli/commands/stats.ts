import { setTimeout as sleep } from 'node:timers/promises';
import { BoxliteError, BoxliteRuntime, type BoxMetrics, type LiteBox } from '../../index.ts';
import { parseCommandLine } from '../arguments.ts';
import { listFormat, size, table } from '../table.ts';
import { requireBox } from '../targets.ts';

export const statsUsage = `boxlite stats [--no-stream] [--format table|json] [BOX...]

Shows what boxes take from the host, again and again: those named, or all that run. 100 % CPU is all of a
box's processors.

      --no-stream    show it once

Examples:
    boxlite stats --no-stream`;

const options = { 'no-stream': { type: 'boolean' }, format: { type: 'string' } } as const;

const INTERVAL_MS = 1_000;
/** To the upper left, and clear what is below. */
const CLEAR = '\x1b[H\x1b[J';

interface Sample {
  readonly box: LiteBox;
  readonly metrics: BoxMetrics;
}

export async function stats(args: readonly string[]): Promise<number> {
  const { values, rest } = parseCommandLine(args, options);
  const format = listFormat(values.format);
  const once = values['no-stream'] === true;
  await using runtime = new BoxliteRuntime();
  const boxes = new Map<string, LiteBox>();
  for (const name of rest) boxes.set(name, await requireBox(runtime, name));
  for (;;) {
    if (rest.length === 0) await follow(runtime, boxes);
    const samples = (await Promise.all([...boxes.values()].map(sample))).filter((s) => s !== null);
    const text = format === 'json' ? json(samples, once) : tableOf(samples);
    const live = process.stdout.isTTY && !once && format === 'table';
    process.stdout.write(live ? `${CLEAR}${text}` : text);
    if (once) return 0;
    await sleep(INTERVAL_MS);
  }
}

/** Boxes come and go; a handle is kept, because it measures from one look to the next. */
async function follow(runtime: BoxliteRuntime, boxes: Map<string, LiteBox>): Promise<void> {
  const running = (await runtime.listInfo({ status: ['running'] })).map(({ id }) => id.asStr());
  for (const id of boxes.keys()) if (!running.includes(id)) boxes.delete(id);
  for (const id of running) {
    const box = boxes.has(id) ? null : await runtime.get(id);
    if (box !== null) boxes.set(id, box);
  }
}

/** Null if the box has been removed meanwhile. */
async function sample(box: LiteBox): Promise<Sample | null> {
  try {
    return { box, metrics: await box.metrics() };
  } catch (error) {
    if (BoxliteError.is(error, 'NotFound')) return null;
    throw error;
  }
}

/** A list a line, when there are more to come. */
function json(samples: readonly Sample[], once: boolean): string {
  const list = samples.map(({ box, metrics }) => ({ id: box.id, name: box.name, ...metrics }));
  return `${JSON.stringify(list, null, once ? 2 : 0)}\n`;
}

function tableOf(samples: readonly Sample[]): string {
  return table(
    ['ID', 'NAME', 'CPU', 'MEMORY', 'COMMANDS', 'SENT', 'RECEIVED'],
    samples.map(({ box, metrics }) => [
      box.id.asStr(),
      box.name ?? '',
      metrics.cpuPercent === null ? '-' : `${metrics.cpuPercent.toFixed(1)} %`,
      metrics.memoryBytes === null ? '-' : size(metrics.memoryBytes),
      String(metrics.commandsRunTotal),
      size(metrics.bytesSentTotal),
      size(metrics.bytesReceivedTotal),
    ]),
  );
}
