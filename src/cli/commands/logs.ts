import { BoxliteRuntime } from '../../index.ts';
import { parseCommandLine } from '../arguments.ts';
import { endWhenUnread, writeTo } from '../streams.ts';
import { oneBox, requireBox } from '../targets.ts';

export const logsUsage = `boxlite logs [-f] [-t] BOX

Shows what a box's main command has printed.

  -f, --follow        go on until the box stops
  -t, --timestamps    say when`;

const options = {
  follow: { type: 'boolean', short: 'f' },
  timestamps: { type: 'boolean', short: 't' },
} as const;

export async function logs(args: readonly string[]): Promise<number> {
  const { values, rest } = parseCommandLine(args, options);
  const name = oneBox(rest, 'logs');
  endWhenUnread();
  await using runtime = new BoxliteRuntime();
  const box = await requireBox(runtime, name);
  for await (const { time, source, line } of box.logs({ follow: values.follow === true })) {
    const when = values.timestamps === true ? `${time.toISOString()} ` : '';
    await writeTo(source === 'stdout' ? process.stdout : process.stderr, `${when}${line}\n`);
  }
  return 0;
}
