import { BoxliteRuntime } from '../../index.ts';
import { parseCommandLine } from '../arguments.ts';
import { writeTo } from '../streams.ts';
import { oneBox, requireBox } from '../targets.ts';

export const logsUsage = `boxlite logs [-f] [-t] [--network] BOX

Shows what a box's main command has printed, or what its network refused.

  -f, --follow        go on until the box stops
  -t, --timestamps    say when
      --network       what the network refused, and why

Examples:
    boxlite logs -f web
    boxlite logs --network -t web`;

const options = {
  follow: { type: 'boolean', short: 'f' },
  timestamps: { type: 'boolean', short: 't' },
  network: { type: 'boolean' },
} as const;

export async function logs(args: readonly string[]): Promise<number> {
  const { values, rest } = parseCommandLine(args, options);
  const name = oneBox(rest, 'logs');
  await using runtime = new BoxliteRuntime();
  const box = await requireBox(runtime, name);
  const follow = values.follow === true;
  const at = (time: Date) => (values.timestamps === true ? `${time.toISOString()} ` : '');
  if (values.network === true) {
    for await (const { time, protocol, target, reason, message } of box.network.events({
      follow,
    })) {
      const line = `${at(time)}${protocol} ${target} ${reason}: ${message}`;
      await writeTo(process.stdout, `${line}\n`);
    }
    return 0;
  }
  for await (const { time, source, line } of box.logs({ follow })) {
    await writeTo(source === 'stdout' ? process.stdout : process.stderr, `${at(time)}${line}\n`);
  }
  return 0;
}
